"""The answers under way on one event loop, a task for each."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable
from contextlib import aclosing

from argosy.core.errors import ArgosyError, InvalidRequest
from argosy.engines.grammar.guard import GrammarGuard
from argosy.engines.grammar.messages import Grammar
from argosy.engines.text.answer import Answer
from argosy.engines.vllm.failures import died, failed, healing, stopped
from argosy.engines.vllm.library import Died, Library, Piece, Refused
from argosy.engines.vllm.order import Order
from argosy.engines.vllm.sampling import structured_outputs

_logger = logging.getLogger(__name__)

Why = Callable[[], ArgosyError]


class AnswersUnderWay:
    """Takes answers on while vLLM runs, feeds them, and ends each exactly once.

    `add` and `cancel` may be called from any thread, everything else on the loop's.

    Args:
        name: of the model, for messages.
        loop: where the tasks run.
        guard: compiles constraints first.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, guard: GrammarGuard) -> None:
        self._name = name
        self._loop = loop
        self._guard = guard
        self._handles = itertools.count(1)
        self._lock = threading.Lock()
        # Guarded by the lock: written by callers' threads and by ours.
        self._answers: dict[int, Answer] = {}
        self._refusal: Why | None = stopped
        self._ended = False
        # The loop's thread alone.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._library: Library | None = None

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, answer: Answer, order: Order) -> int:
        """Begin an answer; never waits.

        Returns:
            Its handle.

        Raises:
            EngineError: vLLM does not run; `EngineCrashed` when it will not again.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal()
            handle = next(self._handles)
            self._answers[handle] = answer
            self._loop.call_soon_threadsafe(self._begin, handle, answer, order)
        return handle

    def cancel(self, handle: int) -> None:
        """End an answer early; one that is over is ignored."""
        if handle in self._answers:
            self.post(self._cancel, handle)

    def post(self, call: Callable[..., object], *values: object) -> None:
        """Have the loop call something, unless it has ended, and all answers with it."""
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:
            return

    def open(self, library: Library) -> None:
        """Take answers on from now on."""
        with self._lock:
            self._library = library
            if not self._ended:
                self._refusal = None

    def end(self) -> None:
        """Take no more on, for good; from any thread."""
        with self._lock:
            self._ended = True
            self._refusal = stopped

    def refuse(self, refusal: Why) -> None:
        """Take no more on until the next `open`."""
        with self._lock:
            self._refusal = stopped if self._ended else refusal

    def fail_all(self, refusal: Why, failure: Why) -> None:
        """Refuse what comes and fail what is under way."""
        self.refuse(refusal)
        with self._lock:
            answers, self._answers = self._answers, {}
            self._library = None
        for answer in answers.values():
            answer.fail(stopped() if self._ended else failure())

    async def settle(self) -> None:
        """End the tasks, whose answers have ended."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, handle: int, answer: Answer, order: Order) -> None:
        if handle in self._answers:
            task = self._loop.create_task(self._generate(handle, answer, order))
            self._tasks[handle] = task
            task.add_done_callback(lambda _: self._finish(handle))

    def _cancel(self, handle: int) -> None:
        task = self._tasks.get(handle)
        if task is not None:
            task.cancel()

    def _finish(self, handle: int) -> None:
        """A task is over; one that was cancelled has not said so, and may never have run."""
        del self._tasks[handle]
        answer = self._take_out(handle)
        if answer is not None:
            answer.take((), "cancelled")

    async def _generate(self, handle: int, answer: Answer, order: Order) -> None:
        try:
            if order.constraint is not None:
                await self._compiled(order.constraint)
            await self._feed(handle, answer, order)
        except Died:
            # Nobody who hears of it may be taken on for the dead.
            self.refuse(healing)
            self._fail(handle, died())
        except Refused as error:
            param = "prompt" if order.constraint is None else "constraint"
            self._fail(handle, InvalidRequest(f"vLLM does not take this request: {error}", param=param))
        except ArgosyError as error:
            self._fail(handle, error)
        except Exception:
            _logger.exception("A generation of %s failed.", self._name)
            self._fail(handle, failed())

    async def _compiled(self, constraint: Grammar) -> None:
        """Return when a constraint is known to be good.

        Raises:
            ArgosyError: it is not.
        """
        if self._guard.knows(constraint):
            return
        verdict: asyncio.Future[ArgosyError | None] = self._loop.create_future()

        def told(refusal: ArgosyError | None) -> None:
            self.post(lambda: None if verdict.done() else verdict.set_result(refusal))

        self._guard.ask(constraint, lambda: not verdict.done(), told)
        refusal = await verdict
        if refusal is not None:
            raise refusal

    async def _feed(self, handle: int, answer: Answer, order: Order) -> None:
        library = self._library
        if library is None:
            raise healing()
        structured = None if order.constraint is None else structured_outputs(order.constraint)
        async with aclosing(library.generate(str(handle), order.tokens, order.arguments, structured)) as pieces:
            async for piece in pieces:
                if self._take(handle, answer, piece):
                    return

    def _take(self, handle: int, answer: Answer, piece: Piece) -> bool:
        """Pass on what a step brought; whether the answer is over."""
        if piece.reason is None:
            over = answer.take(piece.tokens, None, piece.logprobs, piece.tops)
            if over:
                self._take_out(handle)
            return over
        # Out first: whoever sees the last chunk sees the slot free.
        if self._take_out(handle) is None:
            return True
        if piece.reason == "error":
            answer.fail(failed())
        else:
            reason = "cancelled" if piece.reason == "abort" else piece.reason
            answer.take(piece.tokens, reason, piece.logprobs, piece.tops)
        return True

    def _take_out(self, handle: int) -> Answer | None:
        with self._lock:
            return self._answers.pop(handle, None)

    def _fail(self, handle: int, error: ArgosyError) -> None:
        answer = self._take_out(handle)
        if answer is not None:
            answer.fail(error)
