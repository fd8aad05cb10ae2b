"""NVIDIA's LangChain client against the bundled models, capability by capability as its own suite goes about it."""

from __future__ import annotations

import pytest

from tests.conformance import judging
from tests.conformance.judging import Court

pytestmark = [pytest.mark.triton, pytest.mark.timeout(600)]


@pytest.mark.parametrize("check", judging.CHAT.checks())
def test_chat(court: Court, check: str) -> None:
    """Answers, streams, stops, seeds, limits and errors."""
    judging.demand(court.verdict(judging.CHAT, check))


@pytest.mark.parametrize("check", judging.TOOLS.checks())
def test_tools(court: Court, check: str) -> None:
    """Every tool choice, whole and streamed."""
    judging.demand(court.verdict(judging.TOOLS, check))


@pytest.mark.parametrize("check", judging.STRUCTURED.checks())
def test_structured_output(court: Court, check: str) -> None:
    """Classes, schemas and enumerations, by each of the client's fallbacks."""
    judging.demand(court.verdict(judging.STRUCTURED, check))


@pytest.mark.parametrize("check", judging.RETRIEVAL.checks())
def test_retrieval(court: Court, check: str) -> None:
    """Embeddings and ranking."""
    judging.demand(court.verdict(judging.RETRIEVAL, check))


@pytest.mark.parametrize("check", judging.COMPLETIONS.checks())
def test_completions_and_models(court: Court, check: str) -> None:
    """Completions, and how the client finds its models."""
    judging.demand(court.verdict(judging.COMPLETIONS, check))
