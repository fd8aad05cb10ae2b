"""Keeps a worker alive and routes its tokens to the answers that wait for them."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from argosy.core.errors import ArgosyError, InvalidModelEntry
from argosy.engines.text.answer import Answer
from argosy.engines.workers.failures import crashed, died, failure, healing, stopped
from argosy.engines.workers.link import WorkerLink, WorkerProgram
from argosy.engines.workers.messages import Cancel, LoadFailed, Step

_logger = logging.getLogger(__name__)
_MOST_DEATHS = 3
_DEATHS_WINDOW = 120.0
"""Seconds in which `_MOST_DEATHS` deaths of the worker mean that a new one would die as well."""

ReadyT = TypeVar("ReadyT")
"""An engine's own word for a worker that is loaded and warm."""
Request = Callable[[int], Any]
"""Makes the message that asks for a generation, given its handle."""


class WorkerSupervisor(Generic[ReadyT]):
    """A worker, the thread that listens to it, and the answers under way.

    When the worker dies, what is in flight fails and a new worker is started.

    Args:
        name: of the model, for messages.
        program: what a worker runs.
    """

    def __init__(self, name: str, program: WorkerProgram) -> None:
        self._name = name
        self._program = program
        self._handles = itertools.count(1)
        self._lock = threading.Lock()
        # Guarded by the lock: written by callers' threads and by ours.
        self._answers: dict[int, Answer] = {}
        self._held: set[int] = set()
        self._link: WorkerLink | None = None
        self._refusal: Callable[[], ArgosyError] | None = stopped
        self._stopping = False
        self._first_word: Future[ReadyT] = Future()
        self._running = 0
        self._kv_cache_usage = 0.0
        # Linux ends a worker with the thread that started it, so this thread starts every one.
        self._thread = threading.Thread(target=self._serve, name=program.module, daemon=True)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the present worker."""
        link = self._link
        return None if link is None else link.pid

    def start(self) -> None:
        """Start the first worker; `ready` waits for it."""
        self._thread.start()

    def ready(self, timeout: float) -> ReadyT:
        """What the first worker says once it is warm.

        Raises:
            InvalidModelEntry: the model cannot be loaded, or not within `timeout` seconds.
        """
        try:
            return self._first_word.result(timeout)
        except TimeoutError:
            raise InvalidModelEntry(
                f"Model {self._name!r} was not loaded within {timeout} s; raise the parameter 'start_timeout_s'."
            ) from None

    def stop(self) -> None:
        """End the worker; answers under way end with an error. Idempotent."""
        with self._lock:
            self._stopping = True
            self._refusal = stopped
            if self._link is not None:
                self._link.kill()
        if self._thread.ident is not None:
            self._thread.join()

    def add(self, answer: Answer, request: Request) -> int:
        """Send a generation to the worker.

        Returns:
            Its handle.

        Raises:
            EngineError: no worker is ready; `EngineCrashed` when none will be.
        """
        with self._lock:
            handle, link = self._accept(answer)
            link.send(request(handle))
        return handle

    def hold(self, answer: Answer) -> int:
        """Take a generation on without sending it; `release` or `refuse` says how it goes on.

        Returns:
            Its handle, which may be cancelled as any other.

        Raises:
            EngineError: as for `add`.
        """
        with self._lock:
            handle, _ = self._accept(answer)
            self._held.add(handle)
        return handle

    def holds(self, handle: int) -> bool:
        """Whether a generation still waits for `release` or `refuse`."""
        with self._lock:
            return handle in self._held

    def release(self, handle: int, request: Request) -> None:
        """Send a generation that was held; one that is over is ignored."""
        with self._lock:
            if handle in self._held and self._link is not None:
                self._held.remove(handle)
                self._link.send(request(handle))

    def refuse(self, handle: int, error: ArgosyError) -> None:
        """End a generation that was held; one that is over is ignored."""
        answer = self._take_held(handle)
        if answer is not None:
            answer.fail(error)

    def drop(self, handle: int) -> None:
        """Let go of a generation that was held, without a word to its caller."""
        self._take_held(handle)

    def tell(self, message: Any) -> None:
        """Send the worker a message of the engine's own; lost while there is no worker."""
        with self._lock:
            if self._link is not None:
                self._link.send(message)

    def cancel(self, handle: int) -> None:
        """Ask the worker to end a generation; its report ends the answer. One that is held ends here."""
        held = self._take_held(handle)
        if held is not None:
            held.take((), "cancelled")
            return
        with self._lock:
            if handle in self._answers and self._link is not None:
                self._link.send(Cancel(handle))

    def metrics(self) -> dict[str, float]:
        """Requests `running` and `waiting`, and `kv_cache_usage` from 0 to 1, as of the last report."""
        running = self._running
        return {
            "running": float(running),
            "waiting": float(max(0, len(self._answers) - running)),
            "kv_cache_usage": self._kv_cache_usage,
        }

    def _accept(self, answer: Answer) -> tuple[int, WorkerLink]:
        """Give an answer its handle; called with the lock held."""
        if self._refusal is not None:
            raise self._refusal()
        if self._link is None:
            raise stopped()
        handle = next(self._handles)
        self._answers[handle] = answer
        return handle, self._link

    def _take_held(self, handle: int) -> Answer | None:
        """A generation that was held and is now the caller's to end."""
        with self._lock:
            if handle not in self._held:
                return None
            self._held.remove(handle)
            return self._answers.pop(handle)

    def _serve(self) -> None:
        """The engine's thread: one worker's life, and the next one's."""
        deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        try:
            while (link := self._start_worker()) is not None:
                self._bury(link, self._listen(link))
                deaths.append(time.monotonic())
                if self._first_word.exception() is not None:
                    return
                if len(deaths) == _MOST_DEATHS and deaths[-1] - deaths[0] < _DEATHS_WINDOW:
                    _logger.error("The worker of %s died %d times; it is not started again.", self._name, _MOST_DEATHS)
                    return
        finally:
            # Also when this thread ends by a fault of ours: nobody may wait for ever.
            self._give_up()

    def _start_worker(self) -> WorkerLink | None:
        with self._lock:
            if self._stopping:
                return None
            self._link = link = WorkerLink(self._program)
        return link

    def _listen(self, link: WorkerLink) -> str:
        """Take the worker's reports until its end; how it ended, in words."""
        try:
            while True:
                for report in link.receive():
                    if isinstance(report, Step):
                        self._take_step(report)
                    elif isinstance(report, LoadFailed):
                        return report.reason
                    else:
                        self._open(report)
        except EOFError:
            return "its worker process ended"

    def _open(self, ready: ReadyT) -> None:
        with self._lock:
            if not self._stopping:
                self._refusal = None
        if not self._first_word.done():
            self._first_word.set_result(ready)

    def _take_step(self, step: Step) -> None:
        # Gauges first: whoever sees the last chunk sees the slot free.
        self._running, self._kv_cache_usage = step.running, step.kv_cache_usage
        reasons = {finish.handle: finish.reason for finish in step.finished}
        for handle, tokens in step.tokens.items():
            answer = self._answers.get(handle)
            if (
                answer is not None
                and handle not in reasons
                and answer.take(tokens, None, step.logprobs.get(handle, ()))
            ):
                self.cancel(handle)
                del self._answers[handle]
        for handle, reason in reasons.items():
            answer = self._answers.pop(handle, None)
            if answer is None:
                continue
            error = failure(reason)
            if error is not None:
                answer.fail(error)
            else:
                answer.take(step.tokens.get(handle, ()), reason, step.logprobs.get(handle, ()))

    def _bury(self, link: WorkerLink, reason: str) -> None:
        status = link.close()
        self._fail_everything(healing, died)
        if not self._first_word.done():
            words = " ".join(reason.split()).rstrip(".")
            self._first_word.set_exception(
                InvalidModelEntry(
                    f"{self._program.library} cannot load {self._program.model}: {words} (exit status {status})."
                )
            )
        elif not self._stopping:
            _logger.error("The worker of %s ended (exit status %d): %s.", self._name, status, reason)

    def _give_up(self) -> None:
        if self._link is not None:
            self._link.close()
        self._fail_everything(crashed, crashed)
        if not self._first_word.done():
            self._first_word.set_exception(crashed())

    def _fail_everything(self, refusal: Callable[[], ArgosyError], failure: Callable[[], ArgosyError]) -> None:
        """Refuse what comes and fail what is under way."""
        with self._lock:
            answers, self._answers = self._answers, {}
            self._held.clear()
            if self._stopping:
                refusal, failure = stopped, stopped
            self._link, self._refusal = None, refusal
        self._running, self._kv_cache_usage = 0, 0.0
        for answer in answers.values():
            answer.fail(failure())
