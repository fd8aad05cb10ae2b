"""NVIDIA's classes for llama-index against the bundled models."""

from __future__ import annotations

import pytest

from tests.conformance.judging import LLAMA_INDEX, Court, demand

pytestmark = [pytest.mark.triton, pytest.mark.timeout(600)]


@pytest.mark.parametrize("check", LLAMA_INDEX.checks())
def test_llama_index(court: Court, check: str) -> None:
    """Language model, embeddings and ranking."""
    demand(court.verdict(LLAMA_INDEX, check))
