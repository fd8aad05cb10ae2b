"""The runtime inside this process: the same contract as Triton's, for tests and for measuring the raw engine.

Engines come from the registry and do their real work; what is missing is Triton: no dynamic batching, no separate
process, so that a crash can only be simulated (`suspect`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, ConfigurationError, EngineError, RuntimeFailure
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.core.tensors import Tensor
from argosy.engines.contract import (
    Chunk,
    EngineOptions,
    GenerationEngine,
    GenerationRequest,
    TensorRequest,
    TensorResult,
)
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
from argosy.runtime.hosted import Hosted, read_labels
from argosy.runtime.inspection import metadata_of, plain
from argosy.runtime.model_config import from_message, read_message
from argosy.runtime.requests import decode_generation, encode_chunk
from argosy.store.entries import CONFIG_FILE, ModelEntry

T = TypeVar("T")


class MemoryRuntime:
    """`InferenceClient` and `RuntimeProcess` in one.

    Args:
        entries: the models wanted.
        threads: processor threads each engine may use.
    """

    def __init__(self, entries: Sequence[ModelEntry], *, threads: int = 1) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._threads = threads
        self._hosted: dict[str, Hosted] = {}
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

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Host one more model, or a new form of one; calls to the old form end with `EngineCrashed`."""
        self._refuse_when_down()
        self._entries[entry.name] = entry
        if entry.name in self._hosted:
            await self._evict(entry.name)
        await self._host(entry)
        return self._models[entry.name]

    async def unload(self, name: str) -> None:
        """Host a model no longer; unknown names are ignored."""
        self._refuse_when_down()
        self._entries.pop(name, None)
        if name in self._hosted:
            await self._evict(name)
        if self._models.pop(name, None) is not None:
            self._publish(self._status.state, reason=self._status.reason)

    def memory(self) -> Mapping[str, int]:
        """Nothing: the engines share this process, whose memory is nobody's in particular."""
        return {}

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
        return hosted.respond(await self._run(hosted, request), request)

    async def stream(self, request: InferRequest) -> AsyncIterator[InferResponse]:
        """One request, any number of answers. Closing the iterator cancels."""
        hosted = self._find(request)
        if not isinstance(hosted.engine, GenerationEngine):
            yield hosted.respond(await self._run(hosted, request), request)
            return
        prompt = decode_generation(hosted.read(request))
        began, failed = time.perf_counter_ns(), True
        try:
            async with aclosing(self._generate(hosted, hosted.engine, prompt, request.deadline)) as chunks:
                async for chunk in chunks:
                    if chunk.error is not None:
                        raise chunk.error
                    failed = not chunk.last
                    yield hosted.respond(encode_chunk(chunk, counts=prompt.sampling.counts), request, final=chunk.last)
        finally:
            hosted.counts.note(began, 1, failed=failed)

    async def server_metadata(self) -> Mapping[str, Any]:
        """KServe v2 server metadata of this twin, which has what it implements and no more."""
        extensions = ["classification", "model_configuration", "parameters", "statistics"]
        return {"name": "memory", "version": "1", "extensions": extensions}

    async def model_metadata(self, model: str, version: str = "") -> Mapping[str, Any]:
        """KServe v2 model metadata."""
        hosted = self._find(InferRequest(model, {}, version=version))
        return metadata_of(hosted.message, [int(hosted.entry.newest.name)])

    async def model_config(self, model: str, version: str = "") -> Mapping[str, Any]:
        """The model's `config.pbtxt`; nothing is completed as Triton would."""
        return plain(self._find(InferRequest(model, {}, version=version)).message)

    async def model_statistics(self, model: str = "", version: str = "") -> Mapping[str, Any]:
        """Requests and their durations. What only Triton can know (queue, copies, batches) is left out."""
        hosted = [self._find(InferRequest(model, {}, version=version))] if model else self._hosted.values()
        return {"model_stats": [each.statistics() for each in hosted]}

    async def _run(self, hosted: Hosted, request: InferRequest) -> Mapping[str, Tensor]:
        """One request through a tensor engine, in turn."""
        engine, limit = hosted.engine, hosted.config.max_queue_size
        if isinstance(engine, GenerationEngine):
            raise streams_only(request.model)
        # The one the engine works on does not wait.
        if limit and hosted.queued > limit:
            raise queue_full(request.model)
        work = [TensorRequest(hosted.read(request), request.parameters)]
        began, failed = time.perf_counter_ns(), True
        future = asyncio.get_running_loop().run_in_executor(hosted.thread, engine.infer, work)
        hosted.queued += 1
        future.add_done_callback(hosted.leave_queue)
        try:
            results: list[TensorResult] = await _first(hosted, future, request.deadline)
            if isinstance(results[0], ArgosyError):
                raise results[0]
            failed = False
            return results[0]
        finally:
            hosted.counts.note(began, hosted.rows(request), failed=failed)

    async def _generate(
        self, hosted: Hosted, engine: GenerationEngine, prompt: GenerationRequest, deadline: Deadline
    ) -> AsyncGenerator[Chunk, None]:
        chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        handle = engine.submit(prompt, lambda chunk: _deliver(loop, chunks, chunk))
        last = False
        try:
            while not last:
                chunk = await _first(hosted, loop.create_task(chunks.get()), deadline)
                last = chunk.last
                yield chunk
        finally:
            engine.cancel(handle)

    def _refuse_when_down(self) -> None:
        if self._status.state in {RuntimeState.STOPPED, RuntimeState.FAILED}:
            raise RuntimeFailure("The runtime is not up.")

    def _find(self, request: InferRequest) -> Hosted:
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
            message = read_message(entry.directory / CONFIG_FILE)
            message.name = entry.name
            config = from_message(message)
            labels = read_labels(entry, config)
            options = EngineOptions(entry.newest, self._threads, config.max_batch_size, config.parameters)
            engine = create(entry.spec, options)
            await loop.run_in_executor(thread, engine.start)
        except (ConfigurationError, EngineError) as error:
            thread.shutdown(wait=False)
            self._report(ModelStatus(entry.name, ModelState.FAILED, error.message))
            return
        self._hosted[entry.name] = Hosted(entry, message, config, engine, thread, loop.create_future(), labels)
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


async def _first(hosted: Hosted, future: asyncio.Future[T], deadline: Deadline) -> T:
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


def _deliver(loop: asyncio.AbstractEventLoop, chunks: asyncio.Queue[Chunk], chunk: Chunk) -> None:
    """Hand a chunk from the engine's thread to the event loop, unless that has gone."""
    try:
        loop.call_soon_threadsafe(chunks.put_nowait, chunk)
    except RuntimeError:
        if not loop.is_closed():
            raise
