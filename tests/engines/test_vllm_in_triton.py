"""The vLLM engine inside the real Triton: answers, cancelling, and an EngineCore that is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from argosy.core.deadline import Deadline
from argosy.core.errors import EngineError, InputTooLong
from argosy.core.status import RuntimeState
from argosy.engines.contract import Chunk, GenerationRequest, Sampling
from argosy.runtime.contract import InferRequest
from argosy.runtime.requests import decode_chunk, encode_generation
from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.locate import locate
from argosy.server.artifacts import spec_file, triton_config
from argosy.store.entries import ModelEntry, read_entry
from tests.integration.conftest import Served, serving
from tests.suites.tiny_checkpoints import tiny_checkpoint_spec, write_tiny_checkpoint
from tests.suites.tiny_models import CONTEXT_LENGTH, RECITATION, REPLY

pytestmark = [pytest.mark.triton, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

LOADED_WITHIN = 300.0


def entry(store: Path) -> ModelEntry:
    spec = tiny_checkpoint_spec()
    directory = store / spec.name
    write_tiny_checkpoint(directory / "1")
    (directory / "argosy.yaml").write_text(spec_file.render(spec))
    (directory / "config.pbtxt").write_text(triton_config.render(spec))
    return read_entry(directory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    place = tmp_path_factory.mktemp("vllm")
    watch = WatchOptions(load_deadline=LOADED_WITHIN)
    async with serving(locate(), place / "run", [entry(place / "store")], watch, LOADED_WITHIN) as served:
        assert served.supervisor.status.models["tiny"].reason == ""
        yield served


def ask(request: GenerationRequest) -> InferRequest:
    return InferRequest("tiny", encode_generation(request), raw=True, deadline=Deadline.after(120))


def greedy(prompt: str, max_tokens: int = 40) -> GenerationRequest:
    return GenerationRequest(prompt, Sampling(max_tokens=max_tokens, temperature=0.0))


async def chunks(served: Served, request: GenerationRequest) -> list[Chunk]:
    return [decode_chunk(response.outputs) async for response in served.client.stream(ask(request)) if response.outputs]


async def test_many_answers_at_once(served: Served) -> None:
    """Each is streamed, whole, and says why it ended."""
    asked = [*(greedy("hello") for _ in range(6)), *(greedy(f"is it {word}?") for word in ("so", "late", "cold"))]
    answers = await asyncio.gather(*(chunks(served, request) for request in asked))
    texts = ["".join(chunk.text for chunk in got) for got in answers]
    # The decoder of byte-level vocabularies writes single bytes without the space before them.
    assert {text.replace(" ", "")[:20] for text in texts[:6]} == {RECITATION.replace(" ", "")[:20]}
    assert set(texts[6:]) == {REPLY}
    assert [got[-1].finish_reason for got in answers] == ["length"] * 6 + ["stop"] * 3


async def test_too_long_is_refused(served: Served) -> None:
    """Before vLLM hears of it."""
    with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
        await chunks(served, greedy("hello", CONTEXT_LENGTH))


async def test_leaving_frees_the_slot(served: Served) -> None:
    """The gauge counts a generation while its client listens, and not after it left."""
    endless = GenerationRequest("again", Sampling(temperature=0.0, ignore_eos=True))
    async with aclosing(served.client.stream(ask(endless))) as responses:
        await anext(responses)
        await gauge(served, 1)
    await gauge(served, 0)


async def test_a_killed_core_heals_within_the_same_triton(served: Served) -> None:
    """What ran fails with one error; the same model process answers again, and Triton was never replaced."""
    generation, stub = served.supervisor.status.generation, served.stubs["tiny"]
    running = asyncio.create_task(
        chunks(served, GenerationRequest("again", Sampling(temperature=0.0, ignore_eos=True)))
    )
    await gauge(served, 1)
    (core,) = (child for child in psutil.Process(stub).children(recursive=True) if "EngineCore" in child.name())
    core.kill()
    with pytest.raises(EngineError, match="EngineCore"):
        await running
    give_up = time.monotonic() + LOADED_WITHIN
    while True:
        try:
            answer = await chunks(served, greedy("is it so?"))
            break
        except EngineError:
            assert time.monotonic() < give_up, "vLLM did not come back"
            await asyncio.sleep(1)
    assert "".join(chunk.text for chunk in answer) == REPLY
    assert (served.supervisor.status.generation, served.stubs["tiny"]) == (generation, stub)


async def test_nothing_of_vllm_outlives_its_model_process(served: Served) -> None:
    """When the process that hosts it is killed, vLLM's own end at once, no shared memory stays, another serves."""
    generation, stub = served.supervisor.status.generation, psutil.Process(served.stubs["tiny"])
    own = [child for child in stub.children(recursive=True) if child.name().startswith("VLLM")]
    assert len(own) >= 2
    maps = "".join(Path(f"/proc/{process.pid}/maps").read_text() for process in own)
    rings = [line for line in maps.splitlines() if "/dev/shm/psm_" in line]
    assert rings
    assert all(line.endswith("(deleted)") for line in rings)
    stub.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, own, 30)
    assert alive == []
    async with asyncio.timeout(LOADED_WITHIN):
        while (
            not (status := served.supervisor.status).generation > generation or status.state is not RuntimeState.READY
        ):
            await asyncio.sleep(0.1)
    await served.client.connect(status.address)
    assert "".join(chunk.text for chunk in await chunks(served, greedy("is it so?"))) == REPLY


async def gauge(served: Served, wanted: int) -> None:
    line = f'argosy_engine_running{{model="tiny",version="1"}} {wanted}'
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while line not in (await client.get(served.supervisor.metrics_url)).text.splitlines():
            await asyncio.sleep(0.05)
