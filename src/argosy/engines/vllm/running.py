"""The thread and the event loop that vLLM runs on, and what happens when EngineCore ends."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import aclosing
from multiprocessing.process import BaseProcess

from argosy.core.errors import InvalidModelEntry
from argosy.engines.grammar.guard import GrammarGuard
from argosy.engines.text.answer import Answer
from argosy.engines.vllm.answers import AnswersUnderWay
from argosy.engines.vllm.failures import crashed, died, healing
from argosy.engines.vllm.library import Gauges, Library
from argosy.engines.vllm.order import Order
from argosy.engines.vllm.rings import remove_names

_logger = logging.getLogger(__name__)
_MOST_DEATHS = 3
_DEATHS_WINDOW = 900.0
"""Seconds in which `_MOST_DEATHS` deaths of EngineCore mean that a new one would die too; each takes long to start."""
_IMPATIENCE = 0.2

Start = Callable[[Gauges], Library]


class RunningEngine:
    """vLLM on a thread of its own.

    When EngineCore dies, what is in flight fails and vLLM is started again on the same loop.

    Args:
        name: of the model, for messages.
        start: starts vLLM; called on the loop's thread, which waits.
        warm: what is generated once before anybody else may.
        guard: compiles constraints first.
    """

    def __init__(self, name: str, start: Start, warm: Order, guard: GrammarGuard) -> None:
        self._name = name
        self._start_library = start
        self._warm = warm
        self._gauges = Gauges()
        self._loop = asyncio.new_event_loop()
        self._answers = AnswersUnderWay(name, self._loop, guard)
        self._stopping = False
        self._stop_asked = asyncio.Event()
        self._starting = True
        self._first_word: Future[int | None] = Future()
        self._strangers = multiprocessing.active_children()
        self._thread = threading.Thread(target=self._serve, name="vllm", daemon=True)

    def start(self, timeout: float) -> int | None:
        """Start vLLM and wait until it has answered once.

        Returns:
            The token that vLLM takes for the end of an answer.

        Raises:
            InvalidModelEntry: it cannot run the model, or not within `timeout` seconds.
        """
        self._thread.start()
        try:
            return self._first_word.result(timeout)
        except TimeoutError:
            raise InvalidModelEntry(
                f"Model {self._name!r} was not loaded within {timeout} s; raise the parameter 'start_timeout_s'."
            ) from None

    def stop(self) -> None:
        """End vLLM; answers under way end with an error. Idempotent."""
        self._stopping = True
        self._answers.end()
        if self._thread.ident is None:
            self._loop.close()
            return
        self._answers.post(self._stop_asked.set)
        while self._thread.is_alive():
            if self._starting:
                # The loop waits for processes that are starting, and hears nothing else.
                self._kill_processes()
            self._thread.join(_IMPATIENCE)

    def add(self, answer: Answer, order: Order) -> int:
        """See `AnswersUnderWay`."""
        return self._answers.add(answer, order)

    def cancel(self, handle: int) -> None:
        """See `AnswersUnderWay`."""
        self._answers.cancel(handle)

    def metrics(self) -> dict[str, float]:
        """Generations `running` and `waiting`, `kv_cache_usage`, prompt tokens looked for and found in the cache."""
        under_way, gauges = len(self._answers), self._gauges
        running = min(gauges.running, under_way)
        return {
            "running": float(running),
            "waiting": float(under_way - running),
            # vLLM says nothing more when its last generation is cancelled; with nothing running nothing is held.
            "kv_cache_usage": gauges.kv_cache_usage if under_way else 0.0,
            "prefix_cache_queries": float(gauges.prompt_tokens),
            "prefix_cache_hits": float(gauges.cached_tokens),
        }

    def _serve(self) -> None:
        """The engine's thread: one vLLM's life, and the next one's."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._live())
        finally:
            # Also when this thread ends by a fault of ours: nobody may wait for ever.
            self._answers.fail_all(crashed, crashed)
            if not self._first_word.done():
                self._first_word.set_exception(crashed())

    async def _live(self) -> None:
        deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        while not self._stopping and await self._run_once():
            deaths.append(time.monotonic())
            if len(deaths) == _MOST_DEATHS and deaths[-1] - deaths[0] < _DEATHS_WINDOW:
                _logger.error("The EngineCore of %s died %d times; it is not started again.", self._name, _MOST_DEATHS)
                return

    async def _run_once(self) -> bool:
        """Start vLLM and serve until it ends or is to end; whether it may be started again."""
        self._starting = True
        try:
            library = await self._started()
        except Exception as error:
            _logger.exception("vLLM does not start with %s.", self._name)
            if self._first_word.done():
                return True
            self._first_word.set_exception(_cannot_start(self._name, error))
            return False
        finally:
            self._starting = False
        self._answers.open(library)
        if not self._first_word.done():
            self._first_word.set_result(library.end_token)
        await self._until_the_end(library)
        self._answers.fail_all(healing, died)
        await self._answers.settle()
        library.stop()
        self._kill_processes()
        if not self._stopping:
            _logger.error("The EngineCore of %s ended; it is started again.", self._name)
        return True

    async def _started(self) -> Library:
        library = self._start_library(self._gauges)
        try:
            await library.load_adapter()
            async with aclosing(library.generate("warm", self._warm.tokens, self._warm.arguments, None)) as pieces:
                async for _ in pieces:
                    pass
            remove_names(process.pid for process in self._processes() if process.pid is not None)
        except BaseException:
            library.stop()
            raise
        return library

    async def _until_the_end(self, library: Library) -> None:
        """Return when EngineCore has ended, or is to."""
        waits = [asyncio.ensure_future(library.ended()), asyncio.ensure_future(self._stop_asked.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    def _kill_processes(self) -> None:
        """SIGKILL what vLLM has started since we began; what those have started ends with them."""
        for process in self._processes():
            process.kill()
            process.join(_IMPATIENCE)

    def _processes(self) -> list[BaseProcess]:
        return [process for process in multiprocessing.active_children() if process not in self._strangers]


def _cannot_start(name: str, error: Exception) -> InvalidModelEntry:
    words = " ".join(str(error).split()).rstrip(".")
    return InvalidModelEntry(f"vLLM cannot run {name!r}: {words or type(error).__name__}. Its log, above, says more.")
