"""The child process that holds TensorRT-LLM: takes commands, begins generations, reports. See the package's docstring.

    python -m argosy.engines.tensorrt_llm.worker SOCKET PARENT

SOCKET is the number of an inherited socket, PARENT the parent's process id. It ends with its parent, however that ends,
and by itself when the library gives no sign of life.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import traceback
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from argosy.engines.children import child
from argosy.engines.children.channel import Channel
from argosy.engines.tensorrt_llm.messages import Add, Load, Ready, Settings, decode_command, end_tokens
from argosy.engines.tensorrt_llm.pieces import Output, cache_usage, read_piece
from argosy.engines.workers.messages import Cancel, Finish, LoadFailed, Step, encode

_logger = logging.getLogger(__name__)
_ABORT_SECONDS = 0.9
"""After which an aborted generation is over for its caller, whatever the library says."""
_LOOK_SECONDS = 0.5
_STALLED = 3


class Generation(Protocol):
    """What of a `RequestOutput` is used."""

    outputs: Sequence[Output]
    finished: bool

    def abort(self) -> None:
        """Ask for its end; the last response follows."""

    def __aiter__(self) -> AsyncIterator[Generation]: ...


class RunningLibrary(Protocol):
    """What of `Library` is used."""

    def begin(self, tokens: list[int], settings: Settings) -> Generation:
        """Begin a generation."""
        ...

    def stats(self) -> AsyncIterator[Mapping[str, Any]]:
        """Statistics of the iterations since the last call."""
        ...


class Worker:
    """A task for each generation, and reports of what they brought, those of one turn of the loop together.

    Args:
        channel: to the engine.
        library: a warm one.
        slots: most generations in one forward pass.
        patience: seconds without a sign of life, while generations are under way, that are borne.
    """

    def __init__(self, channel: Channel, library: RunningLibrary, slots: int, patience: float) -> None:
        self._channel = channel
        self._library = library
        self._slots = slots
        self._patience = patience
        self._generations: dict[int, Generation] = {}
        self._tasks: dict[int, asyncio.Task[str]] = {}
        self._tokens: dict[int, list[int]] = {}
        self._logprobs: dict[int, list[float]] = {}
        self._finished: list[Finish] = []
        self._reporting = False
        self._kv_cache_usage = 0.0
        self._last_sign = 0.0

    async def serve(self) -> bool:
        """Serve until the engine hangs up, or the library gives no sign of life; whether it was the engine."""
        self._loop = asyncio.get_running_loop()
        self._last_sign = self._loop.time()
        self._hung_up = asyncio.Event()
        threading.Thread(target=self._listen, name="commands", daemon=True).start()
        waiting = [asyncio.ensure_future(self._hung_up.wait()), asyncio.ensure_future(self._watch())]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waiting, *self._tasks.values()):
                task.cancel()
        return waiting[0] in done

    def _listen(self) -> None:
        """The thread that waits for commands."""
        with contextlib.suppress(RuntimeError):
            try:
                while True:
                    for frame in self._channel.receive():
                        self._loop.call_soon_threadsafe(self._take, decode_command(frame))
            except EOFError:
                self._loop.call_soon_threadsafe(self._hung_up.set)

    def _take(self, command: Any) -> None:
        if isinstance(command, Add):
            self._begin(command)
        elif isinstance(command, Cancel):
            self._cancel(command.handle)

    def _begin(self, add: Add) -> None:
        tokens = array("q")
        tokens.frombytes(add.tokens)
        if not self._generations:
            self._last_sign = self._loop.time()
        try:
            generation = self._library.begin(tokens.tolist(), add.settings)
        except Exception:
            _logger.exception("The library does not take a request.")
            self._finish(add.handle, "refused")
            return
        self._generations[add.handle] = generation
        task = self._loop.create_task(self._follow(add.handle, generation, add.settings))
        self._tasks[add.handle] = task
        task.add_done_callback(lambda task: self._settle(add.handle, task))

    def _cancel(self, handle: int) -> None:
        generation, task = self._generations.get(handle), self._tasks.get(handle)
        if generation is None or task is None:
            return
        generation.abort()
        # Its last response says that slot and cache are free; nobody waits for it for ever.
        self._loop.call_later(_ABORT_SECONDS, task.cancel)

    async def _follow(self, handle: int, generation: Generation, settings: Settings) -> str:
        """Report what a generation brings; why it is over."""
        logprobs, ends = "logprobs" in settings.arguments, end_tokens(settings)
        async for grown in generation:
            self._last_sign = self._loop.time()
            piece = read_piece(grown.outputs[0], over=grown.finished, logprobs=logprobs, ends=ends)
            self._tokens.setdefault(handle, []).extend(piece.tokens)
            if piece.logprobs:
                self._logprobs.setdefault(handle, []).extend(piece.logprobs)
            if piece.reason:
                return piece.reason
            self._report_soon()
        return "fault"

    def _settle(self, handle: int, task: asyncio.Task[str]) -> None:
        del self._tasks[handle], self._generations[handle]
        if task.cancelled():
            self._finish(handle, "cancelled")
        elif (error := task.exception()) is not None:
            _logger.error("A generation failed.", exc_info=error)
            self._finish(handle, "fault")
        else:
            self._finish(handle, task.result())

    def _finish(self, handle: int, reason: str) -> None:
        self._finished.append(Finish(handle, reason))
        self._report_soon()

    def _report_soon(self) -> None:
        if not self._reporting:
            self._reporting = True
            self._loop.call_soon(self._report)

    def _report(self) -> None:
        running = min(len(self._generations), self._slots)
        usage = self._kv_cache_usage if running else 0.0
        step = Step(self._tokens, self._finished, running, usage, self._logprobs)
        self._tokens, self._finished, self._logprobs, self._reporting = {}, [], {}, False
        try:
            self._channel.send(encode(step))
        except OSError:
            self._hung_up.set()

    async def _watch(self) -> None:
        """Take the library's statistics; return when it has given no sign of life for too long."""
        while True:
            async for stats in self._library.stats():
                self._last_sign = self._loop.time()
                self._kv_cache_usage = cache_usage(stats)
            if self._generations and self._loop.time() - self._last_sign > self._patience:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        _logger.error("The library has given no sign of life for %.0f s; the worker ends.", self._patience)


def main() -> None:
    """Entry of the child process."""
    channel = child.adopt()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    status = 1
    try:
        order = decode_command(channel.receive()[0])
        if not isinstance(order, Load):
            raise TypeError(f"The first command must be Load, not {type(order).__name__}.")
        status = _serve(channel, order)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        status = 0
    finally:
        if status == 1:
            traceback.print_exc()
        sys.stderr.flush()
        # The library's own end may wait for ever for an executor that died.
        os._exit(status)


def _serve(channel: Channel, order: Load) -> int:
    try:
        # Takes seconds by itself, and fails where the library does not fit the machine.
        from argosy.engines.tensorrt_llm.library import Library  # noqa: PLC0415

        library = Library(order)
    except Exception as error:
        _logger.exception("TensorRT-LLM does not start.")
        channel.send(encode(LoadFailed(_last_line(error))))
        raise EOFError("There is nothing to serve.") from error
    return asyncio.run(_serve_warm(channel, library, order))


async def _serve_warm(channel: Channel, library: Any, order: Load) -> int:
    try:
        async for _ in library.begin([0], order.warm):
            pass
    except Exception as error:
        _logger.exception("TensorRT-LLM does not answer.")
        channel.send(encode(LoadFailed(_last_line(error))))
        raise EOFError("There is nothing to serve.") from error
    channel.send(encode(Ready(library.context_length, library.end_token)))
    return 0 if await Worker(channel, library, order.slots, order.patience).serve() else _STALLED


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


if __name__ == "__main__":
    main()
