"""Constraints and log-probabilities of the bundled language model, through the real Triton."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from argosy.core.deadline import Deadline
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.engines.contract import Chunk, Constraint, ConstraintKind, GenerationRequest, Sampling
from argosy.runtime.contract import InferRequest
from argosy.runtime.requests import decode_chunk, encode_generation
from argosy.runtime.triton.locate import TritonInstallation
from argosy.store.entries import read_entry
from tests.integration.conftest import Served, serving

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]

ABACUS = Path(__file__).parents[2] / "models" / "abacus"
SLOW = Constraint(ConstraintKind.REGEX, "((a{1,300}){1,300}){1,300}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving(installation, tmp_path_factory.mktemp("structured") / "run", [read_entry(ABACUS)]) as served:
        yield served


async def ask(served: Served, **sampling: object) -> list[Chunk]:
    """The chunks of the answer to one sum."""
    values = Sampling(**{"max_tokens": 60, "temperature": 0.0, "add_special_tokens": False, **sampling})
    request = GenerationRequest("<|bos|><|user|>What is 12 + 30?<|end|><|assistant|>", values)
    wire = InferRequest("abacus", encode_generation(request), deadline=Deadline.after(60), raw=True)
    return [decode_chunk(response.outputs) async for response in served.client.stream(wire) if response.outputs]


async def test_an_answer_satisfies_its_schema_and_tells_its_log_probabilities(served: Served) -> None:
    """The constraint reaches the engine, and every token comes back with its bytes."""
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    chunks = await ask(served, constraint=Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema)), logprobs=True)
    text = "".join(chunk.text for chunk in chunks)
    assert chunks[-1].finish_reason == "stop"
    assert isinstance(json.loads(text)["answer"], int)
    assert b"".join(token.token for chunk in chunks for token in chunk.logprobs).decode() == text


async def test_bad_and_slow_constraints_fail_alone(served: Served) -> None:
    """They come back as `InvalidRequest` that names the constraint, while a neighbour is answered."""
    bad = Constraint(ConstraintKind.REGEX, "(unclosed")
    refused, slow, free = await asyncio.gather(
        ask(served, constraint=bad), ask(served, constraint=SLOW), ask(served), return_exceptions=True
    )
    for error in (refused, slow):
        assert isinstance(error, InvalidRequest)
        assert error.param == "constraint"
    assert not isinstance(free, BaseException)
    assert "".join(chunk.text for chunk in free).endswith("42")


async def test_what_the_engine_lacks_is_refused_by_name(served: Served) -> None:
    """The engine's own refusal arrives with the field's name."""
    with pytest.raises(UnsupportedParameter) as caught:
        await ask(served, logit_bias={5: 1.0})
    assert caught.value.param == "logit_bias"
