"""What the worker does around the library.

TensorRT-LLM is not here. A stand-in takes its place and writes down what it is told; what it answers, each test says.
They show what is sent to the library and what becomes of its answers, and nothing of the library.
"""

from __future__ import annotations

import asyncio
import socket
from array import array
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from argosy.engines.children.channel import Channel
from argosy.engines.tensorrt_llm import worker
from argosy.engines.tensorrt_llm.messages import Add, Settings, decode_report
from argosy.engines.tensorrt_llm.worker import Worker
from argosy.engines.workers.messages import Cancel, Finish, Step, encode

SETTINGS = Settings({"max_tokens": 4}, {})
PATIENT = 60.0


class Scripted:
    """Stands in for a `RequestOutput` that grows by what a test puts into `responses`."""

    def __init__(self) -> None:
        self.responses: asyncio.Queue[tuple[list[int], str | None] | Exception] = asyncio.Queue()
        self.finished = False
        self.aborted = False
        self.outputs = [SimpleNamespace(token_ids=[], token_ids_diff=[], logprobs=[], finish_reason=None)]

    def abort(self) -> None:
        self.aborted = True

    def __aiter__(self) -> Scripted:
        return self

    async def __anext__(self) -> Scripted:
        if self.finished:
            raise StopAsyncIteration
        response = await self.responses.get()
        if isinstance(response, Exception):
            raise response
        tokens, reason = response
        output = self.outputs[0]
        output.token_ids = [*output.token_ids, *tokens]
        output.token_ids_diff = tokens
        output.logprobs = [*output.logprobs, *(-0.5 for _ in tokens)]
        output.finish_reason = reason
        self.finished = reason is not None
        return self


class Recorder:
    """Stands in for `Library` and writes down what it is told."""

    def __init__(self, refuses: bool = False) -> None:
        self.calls: list[tuple[list[int], Settings]] = []
        self.generations: list[Scripted] = []
        self.usage = 0
        self._refuses = refuses

    def begin(self, tokens: list[int], settings: Settings) -> Any:
        self.calls.append((tokens, settings))
        if self._refuses:
            raise ValueError("no")
        self.generations.append(Scripted())
        return self.generations[-1]

    async def stats(self) -> AsyncIterator[Mapping[str, Any]]:
        if self.usage:
            yield {"kvCacheStats": {"usedNumBlocks": self.usage, "maxNumBlocks": 100}}


class Bench:
    """A worker on this test's event loop, and the engine's end of its channel."""

    def __init__(self, library: Recorder, patience: float = PATIENT) -> None:
        ours, theirs = socket.socketpair()
        self.library = library
        self.channel = Channel(ours)
        self._theirs = Channel(theirs)
        self.served = asyncio.ensure_future(Worker(self._theirs, library, 2, patience).serve())
        self._steps: list[Step] = []

    def say(self, *commands: Any) -> None:
        for command in commands:
            self.channel.send(encode(command))

    async def begun(self, count: int) -> list[Scripted]:
        """The generations, once so many have begun."""
        while len(self.library.generations) < count:
            await asyncio.sleep(0.005)
        return self.library.generations

    async def step(self) -> Step:
        """The next report."""
        if not self._steps:
            frames = await asyncio.to_thread(self.channel.receive)
            self._steps = [decode_report(frame) for frame in frames]
        return self._steps.pop(0)

    async def close(self) -> bool:
        """Hang up; whether that is what ended the worker."""
        self.channel.close()
        hung_up = await self.served
        self._theirs.close()
        # What was under way is told that it is over.
        await asyncio.sleep(0)
        return hung_up


def add(handle: int, *tokens: int, settings: Settings = SETTINGS) -> Add:
    return Add(handle, array("q", tokens).tobytes(), settings)


pytestmark = pytest.mark.timeout(30)


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here takes as long as a GPU does."""
    monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "_ABORT_SECONDS", 0.05)


async def test_a_prompt_is_handed_on_and_what_comes_back_is_reported() -> None:
    """Token for token, with a reason at the end, after which nothing runs."""
    bench = Bench(Recorder())
    bench.say(add(7, 1, 2, 300_000))
    (generation,) = await bench.begun(1)
    assert bench.library.calls == [([1, 2, 300_000], SETTINGS)]
    await generation.responses.put(([5, 6], None))
    first = await bench.step()
    assert (first.tokens, first.finished, first.running) == ({7: [5, 6]}, [], 1)
    await generation.responses.put(([8], "length"))
    last = await bench.step()
    assert (last.tokens, last.finished, last.running) == ({7: [8]}, [Finish(7, "length")], 0)
    assert await bench.close()


async def test_log_probabilities_are_told_when_they_were_asked_for() -> None:
    """One for each token of the report."""
    bench = Bench(Recorder())
    bench.say(add(1, 3), add(2, 3, settings=Settings({"logprobs": 1}, {})))
    for generation in await bench.begun(2):
        await generation.responses.put(([5, 6], "stop"))
    told: dict[int, list[float]] = {}
    finished: list[Finish] = []
    while len(finished) < 2:
        step = await bench.step()
        told |= step.logprobs
        finished += step.finished
    assert told == {2: [-0.5, -0.5]}
    await bench.close()


async def test_a_request_that_the_library_does_not_take_ends_alone() -> None:
    """With a failure that is said, and the worker goes on."""
    bench = Bench(Recorder(refuses=True))
    bench.say(add(1, 3))
    assert (await bench.step()).finished == [Finish(1, "refused")]
    bench.say(add(2, 3))
    assert (await bench.step()).finished == [Finish(2, "refused")]
    await bench.close()


async def test_a_generation_that_raises_ends_alone() -> None:
    """Its neighbour is answered."""
    bench = Bench(Recorder())
    bench.say(add(1, 3), add(2, 3))
    first, second = await bench.begun(2)
    await first.responses.put(RuntimeError("CUDA is unhappy"))
    assert (await bench.step()).finished == [Finish(1, "fault")]
    await second.responses.put(([4], "stop"))
    assert (await bench.step()).finished == [Finish(2, "stop")]
    await bench.close()


async def test_a_cancelled_generation_is_aborted_and_ends_with_its_last_response() -> None:
    """Then its slot and cache are free."""
    bench = Bench(Recorder())
    bench.say(add(1, 3))
    (generation,) = await bench.begun(1)
    bench.say(Cancel(1), Cancel(99))
    while not generation.aborted:
        await asyncio.sleep(0.005)
    await generation.responses.put(([], "cancelled"))
    assert (await bench.step()).finished == [Finish(1, "cancelled")]
    await bench.close()


async def test_a_cancelled_generation_ends_although_the_library_says_nothing() -> None:
    """Nobody waits for ever."""
    bench = Bench(Recorder())
    bench.say(add(1, 3), Cancel(1))
    step = await bench.step()
    assert (step.finished, step.running) == ([Finish(1, "cancelled")], 0)
    assert bench.library.generations[0].aborted
    await bench.close()


async def test_a_library_that_gives_no_sign_of_life_ends_the_worker() -> None:
    """With answers under way; at rest silence is all right."""
    bench = Bench(Recorder(), patience=0.05)
    await asyncio.sleep(0.1)
    assert not bench.served.done()
    bench.say(add(1, 3))
    assert await bench.served is False
    await bench.close()


async def test_statistics_are_a_sign_of_life_and_tell_how_full_the_cache_is() -> None:
    """A long prompt is read for many iterations before its first token."""
    library = Recorder()
    library.usage = 25
    bench = Bench(library, patience=0.05)
    bench.say(add(1, 3))
    (generation,) = await bench.begun(1)
    await asyncio.sleep(0.15)
    assert not bench.served.done()
    await generation.responses.put(([4], None))
    assert (await bench.step()).kv_cache_usage == 0.25
    assert await bench.close()
