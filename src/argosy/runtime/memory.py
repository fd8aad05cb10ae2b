"""The runtime inside this process: the same contract as Triton's, for tests and for measuring the raw engine.

Engines come from the registry and do their real work; what is missing is Triton: no dynamic batching, no separate
process, so that a crash can only be simulated (`suspect`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, ConfigurationError, EngineError, RuntimeFailure
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.core.tensors import Tensor
from argosy.engines.contract import Chunk, EngineOptions, GenerationEngine, TensorEngine, TensorRequest, TensorResult
from argosy.engines.registry import create
from argosy.runtime.contract import InferRequest, InferResponse, OnStatus
from argosy.runtime.failures import (
    crashed,
    deadline_exceeded,
    no_version,
    not_found,
    not_ready,
    queue_full,
    streams_only,
)
from argosy.runtime.model_config import ModelConfig, check_request, read_config
from argosy.runtime.requests import decode_generation, encode_chunk
from argosy.store.entries import CONFIG_FILE, ModelEntry

T = TypeVar("T")


@dataclass(slots=True)
class _Hosted:
    """One engine.

    Attributes:
        thread: the one thread that calls a tensor engine.
        crash: done once calls in flight must end.
        queued: calls given to the thread and not answered.
    """

    entry: ModelEntry
    config: ModelConfig
    engine: TensorEngine | GenerationEngine
    thread: ThreadPoolExecutor
    crash: asyncio.Future[None]
    queued: int = 0


class MemoryRuntime:
    """`InferenceClient` and `RuntimeProcess` in one.

    Args:
        entries: the models wanted.
        threads: processor threads each engine may use.
    """

    def __init__(self, entries: Sequence[ModelEntry], *, threads: int = 1) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._threads = threads
        self._hosted: dict[str, _Hosted] = {}
        self._listeners: list[OnStatus] = []
        self._healing: set[asyncio.Task[None]] = set()
        self._models = {name: ModelStatus(name, ModelState.LOADING, "waiting") for name in self._entries}
        self._status = RuntimeStatus(RuntimeState.STOPPED, models=dict(self._models))

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        return self._status

    def subscribe(self, listener: OnStatus) -> None:
        """Call `listener` at each change, in order, from the event loop."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Start every engine; one that cannot start is failed and the others serve."""
        if self._status.generation:
            raise RuntimeFailure("This runtime was started before.")
        self._publish(RuntimeState.STARTING, generation=1, address="memory:1")
        for entry in self._entries.values():
            await self._host(entry)
        self._publish(RuntimeState.READY)

    async def stop(self) -> None:
        """Stop every engine; idempotent. Calls in flight end with `EngineCrashed`."""
        for task in list(self._healing):
            task.cancel()
        await asyncio.gather(*self._healing, return_exceptions=True)
        for name in list(self._hosted):
            await self._evict(name)
        if self._status.state is not RuntimeState.STOPPED:
            self._publish(RuntimeState.STOPPED, address="")

    def suspect(self, model: str, reason: str, address: str = "") -> None:
        """Take `model` for crashed: its calls end with `EngineCrashed` and its engine is started anew."""
        if model not in self._hosted or (address and address != self._status.address):
            return
        task = asyncio.get_running_loop().create_task(self._heal(model, reason))
        self._healing.add(task)
        task.add_done_callback(self._healing.discard)

    async def connect(self, address: str) -> None:
        """Nothing to connect: the address is this process."""

    async def close(self) -> None:
        """Nothing to drop; the engines go with `stop`."""

    async def infer(self, request: InferRequest) -> InferResponse:
        """One request, one answer. See the guarantees of the contract."""
        hosted = self._find(request)
        if hosted.config.decoupled:
            raise streams_only(request.model)
        check_request(hosted.config, request)
        return _response(hosted, await self._run(hosted, request), request)

    async def stream(self, request: InferRequest) -> AsyncIterator[InferResponse]:
        """One request, any number of answers. Closing the iterator cancels."""
        hosted = self._find(request)
        check_request(hosted.config, request)
        if not isinstance(hosted.engine, GenerationEngine):
            yield _response(hosted, await self._run(hosted, request), request)
            return
        async for chunk in self._generate(hosted, hosted.engine, request):
            if chunk.error is not None:
                raise chunk.error
            yield _response(hosted, encode_chunk(chunk), request, final=chunk.last)

    async def _run(self, hosted: _Hosted, request: InferRequest) -> Mapping[str, Tensor]:
        """One request through a tensor engine, in turn."""
        engine, limit = hosted.engine, hosted.config.max_queue_size
        if isinstance(engine, GenerationEngine):
            raise streams_only(request.model)
        # The one the engine works on does not wait.
        if limit and hosted.queued > limit:
            raise queue_full(request.model)
        work = [TensorRequest(request.inputs, request.parameters)]
        future = asyncio.get_running_loop().run_in_executor(hosted.thread, engine.infer, work)
        hosted.queued += 1
        future.add_done_callback(lambda _: _leave_queue(hosted))
        results: list[TensorResult] = await _first(hosted, future, request.deadline)
        if isinstance(results[0], ArgosyError):
            raise results[0]
        return results[0]

    async def _generate(self, hosted: _Hosted, engine: GenerationEngine, request: InferRequest) -> AsyncIterator[Chunk]:
        chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        handle = engine.submit(decode_generation(request.inputs), lambda chunk: _deliver(loop, chunks, chunk))
        last = False
        try:
            while not last:
                chunk = await _first(hosted, loop.create_task(chunks.get()), request.deadline)
                last = chunk.last
                yield chunk
        finally:
            engine.cancel(handle)

    def _find(self, request: InferRequest) -> _Hosted:
        if request.deadline.passed:
            raise deadline_exceeded()
        if request.model not in self._entries:
            raise not_found(request.model)
        hosted = self._hosted.get(request.model)
        if hosted is None:
            raise not_ready(request.model)
        if request.version not in {"", hosted.entry.newest.name}:
            raise no_version(request.model)
        return hosted

    async def _host(self, entry: ModelEntry) -> None:
        """Start one engine and make it take requests, or say why it cannot."""
        self._report(ModelStatus(entry.name, ModelState.LOADING, "loading"))
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix=entry.name)
        try:
            config = read_config(entry.directory / CONFIG_FILE)
            options = EngineOptions(entry.newest, self._threads, config.max_batch_size, config.parameters)
            engine = create(entry.spec, options)
            await loop.run_in_executor(thread, engine.start)
        except (ConfigurationError, EngineError) as error:
            thread.shutdown(wait=False)
            self._report(ModelStatus(entry.name, ModelState.FAILED, error.message))
            return
        self._hosted[entry.name] = _Hosted(entry, config, engine, thread, loop.create_future())
        self._report(ModelStatus(entry.name, ModelState.READY))

    async def _evict(self, name: str) -> None:
        """End a model's calls and stop its engine, after what it is working on."""
        hosted = self._hosted.pop(name)
        hosted.crash.set_result(None)
        hosted.thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(hosted.engine.stop)

    async def _heal(self, name: str, reason: str) -> None:
        if name not in self._hosted:
            return
        entry = self._hosted[name].entry
        self._models[name] = ModelStatus(name, ModelState.FENCED, reason)
        self._publish(RuntimeState.FENCED, reason=f"{name}: {reason}")
        await self._evict(name)
        number = self._status.generation + 1
        self._publish(
            RuntimeState.STARTING,
            generation=number,
            address=f"memory:{number}",
            restarts=self._status.restarts + 1,
        )
        await self._host(entry)
        self._publish(RuntimeState.READY)

    def _report(self, model: ModelStatus) -> None:
        self._models[model.name] = model
        self._publish(self._status.state, reason=self._status.reason)

    def _publish(self, state: RuntimeState, *, reason: str = "", **changes: Any) -> None:
        self._status = replace(self._status, state=state, reason=reason, models=dict(self._models), **changes)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener, self._status)


async def _first(hosted: _Hosted, future: asyncio.Future[T], deadline: Deadline) -> T:
    """The future's result, unless the deadline passes or the engine crashes first."""
    timeout = None if deadline.at == math.inf else deadline.remaining
    either: set[asyncio.Future[Any]] = {future, hosted.crash}
    try:
        await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if hosted.crash.done():
            raise crashed(hosted.entry.name)
        if not future.done():
            raise deadline_exceeded()
        return future.result()
    finally:
        future.cancel()


def _leave_queue(hosted: _Hosted) -> None:
    hosted.queued -= 1


def _deliver(loop: asyncio.AbstractEventLoop, chunks: asyncio.Queue[Chunk], chunk: Chunk) -> None:
    """Hand a chunk from the engine's thread to the event loop, unless that has gone."""
    try:
        loop.call_soon_threadsafe(chunks.put_nowait, chunk)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _response(
    hosted: _Hosted, outputs: Mapping[str, Tensor], request: InferRequest, *, final: bool = True
) -> InferResponse:
    wanted = {name: outputs[name] for name in request.outputs if name in outputs} if request.outputs else outputs
    return InferResponse(wanted, {}, final, request.model, hosted.entry.newest.name)
