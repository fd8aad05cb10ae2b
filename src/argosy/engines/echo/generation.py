"""Echo of text: the prompt comes back word by word, many prompts at once, from one engine thread."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from argosy.core.errors import ArgosyError, EngineError
from argosy.core.models import ModelSpec
from argosy.engines.contract import Chunk, Emit, EngineOptions, GenerationRequest
from argosy.engines.echo import answer
from argosy.engines.echo.features import FEATURES
from argosy.engines.echo.options import EchoOptions
from argosy.engines.text.features import refuse_missing

_STOP_SECONDS = 30.0
_UNLIMITED = 1 << 31


@dataclass(slots=True, eq=False)
class _Generation:
    chunks: Iterator[Chunk]
    emit: Emit
    num_input_tokens: int
    handle: int = 0
    sent: int = 0
    due: float = 0.0
    cancelled: bool = False


class EchoGeneration:
    """Continuous batching in its smallest form. With an adapter, whatever it is, it answers in capitals.

    Each step of the engine thread admits waiting generations into free slots, then sends one chunk of every running
    generation that is due. A word with the white space before it is a token. Deployment options: `EchoOptions`.

    Everything shared is guarded by one condition; `emit` is only called from the engine thread, without the lock.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._context_length = spec.generate.context_length if spec.generate else _UNLIMITED
        self._loud = spec.generate is not None and spec.generate.adapter is not None
        self._parameters = options.parameters
        self._options = EchoOptions()
        self._changed = threading.Condition()
        self._waiting: deque[_Generation] = deque()
        self._running: list[_Generation] = []
        self._handles: dict[int, _Generation] = {}
        self._numbers = itertools.count(1)
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Read the options and start the engine thread."""
        self._options = EchoOptions.from_parameters(self._parameters)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="echo-engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End what is in flight with an error and join the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            self._thread = None

    def metrics(self) -> Mapping[str, float]:
        """Requests running and waiting; each slot stands for an equal share of a cache."""
        running = len(self._running)
        return {
            "running": float(running),
            "waiting": float(len(self._waiting)),
            "kv_cache_usage": running / self._options.slots,
        }

    def submit(self, request: GenerationRequest, emit: Emit) -> int:
        """Queue a generation; see the contract."""
        refuse_missing(request.sampling, FEATURES, "echo")
        words = answer.split(request, self._context_length)
        if self._loud:
            words = [word.upper() for word in words]
        chunks = answer.chunks(words, request.sampling, self._context_length)
        generation = _Generation(chunks, emit, num_input_tokens=len(words))
        with self._changed:
            if self._thread is None or self._stopping:
                raise EngineError("The echo engine is not running.")
            generation.handle = next(self._numbers)
            self._handles[generation.handle] = generation
            self._waiting.append(generation)
            self._changed.notify()
        return generation.handle

    def cancel(self, handle: int) -> None:
        """End a generation early."""
        with self._changed:
            generation = self._handles.get(handle)
            if generation is not None:
                generation.cancelled = True
                self._changed.notify()

    def _run(self) -> None:
        while self._await_work():
            self._step()
        self._fail_all(EngineError("The echo engine stopped while it had the request."))

    def _await_work(self) -> bool:
        """Sleep until a chunk is due or something changed; False when the engine is to stop."""
        with self._changed:
            while not self._stopping:
                while self._waiting and len(self._running) < self._options.slots:
                    self._running.append(self._waiting.popleft())
                if any(generation.cancelled for generation in (*self._running, *self._waiting)):
                    return True
                pause = self._until_due()
                if pause == 0:
                    return True
                self._changed.wait(pause)
        return False

    def _until_due(self) -> float | None:
        if not self._running:
            return None
        return max(0.0, min(generation.due for generation in self._running) - time.monotonic())

    def _step(self) -> None:
        now = time.monotonic()
        with self._changed:
            present = [*self._running, *self._waiting]
        for generation in present:
            if generation.cancelled:
                self._end(generation, self._cancelled_chunk(generation))
            elif generation in self._running and generation.due <= now:
                self._advance(generation, now)

    def _advance(self, generation: _Generation, now: float) -> None:
        chunk = next(generation.chunks)
        generation.sent += 1
        generation.due = now + self._options.delay_ms / 1000
        if generation.sent == self._options.fail_after:
            chunk = Chunk(error=EngineError(f"The echo engine was told to fail after {generation.sent} chunks."))
        if chunk.last:
            self._end(generation, chunk)
        else:
            generation.emit(chunk)

    def _cancelled_chunk(self, generation: _Generation) -> Chunk:
        return Chunk(
            finish_reason="cancelled",
            num_input_tokens=generation.num_input_tokens,
            num_output_tokens=generation.sent,
        )

    def _end(self, generation: _Generation, chunk: Chunk) -> None:
        """Free the slot first, so that who sees the last chunk sees the slot free."""
        with self._changed:
            for queue in (self._running, self._waiting):
                if generation in queue:
                    queue.remove(generation)
            del self._handles[generation.handle]
        generation.emit(chunk)

    def _fail_all(self, error: ArgosyError) -> None:
        with self._changed:
            present = [*self._running, *self._waiting]
        for generation in present:
            self._end(generation, Chunk(error=error))
