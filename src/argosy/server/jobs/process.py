"""Runs the command of a job in a child process, and hears what it tells.

The command prints its result on standard output, and on standard error what it does: lines that are JSON objects with
an `event` are for us, all others go to a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from argosy.server.jobs.uninterrupted import uninterrupted

log = logging.getLogger(__name__)

OUTPUT = "output.json"
LOG = "log.txt"
_LAUNCHER = Path(__file__).with_name("launch.py")
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 16
_LARGEST_LOG = 1 << 20
_TAIL = 8
_LAST_WORDS = 5.0

OnMessage = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """How commands are run.

    Attributes:
        command: the program and its first arguments, for every job the same.
        environment: variables added to this process's own.
        grace: seconds between TERM and KILL.
        longest: seconds after which a job is ended however far it is.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace: float = 15.0
    longest: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended.

    Attributes:
        code: exit code; below 0 the number of the signal that killed it.
        tail: the last lines it said that were not for us.
        late: whether it was ended because it took too long.
    """

    code: int
    tail: tuple[str, ...]
    late: bool = False

    @property
    def sentence(self) -> str:
        """Why it ended, where it did not say so itself."""
        said = " ".join(line.strip() for line in self.tail)
        if self.code < 0:
            return f"Signal {-self.code} killed the job's process; perhaps this machine ran out of memory. {said}"
        return f"The job's process ended with exit code {self.code}. {said}"


async def run_child(options: ChildOptions, arguments: Sequence[str], folder: Path, on_message: OnMessage) -> Ending:
    """Run the command to its end, its output and log in `folder`.

    When this is cancelled the command is told to end, is killed when it does not within the grace, and is gone when the
    cancellation goes on. When this process dies, so does the command.

    Args:
        options: what is run.
        arguments: never seen by a shell.
        folder: of the job.
        on_message: called with every line that is for us, one after another.

    Raises:
        OSError: it could not be started.
    """
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
    tail: deque[str] = deque(maxlen=_TAIL)
    late = False
    command = [*launcher, *options.command, *arguments]
    with (folder / OUTPUT).open("wb") as output:
        child = _Child(command, {**os.environ, **options.environment}, output.fileno())
    try:
        async with asyncio.timeout(options.longest):
            await _until_ended(child, _hear(child, folder / LOG, tail, on_message))
    except TimeoutError:
        late = True
    finally:
        await uninterrupted(_end(child, options.grace))
    return Ending(child.code, tuple(tail), late)


class _Child:
    """A process of its own session, whose end is an event: no thread waits for it, and no id is taken for another's.

    It is reaped in one place only, `_on_exit`; until then its id is its own.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: int) -> None:
        # Not asyncio's: what forks in uvloop's way has gRPC's threads complain.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment,
            # Ctrl-C in a terminal reaches the whole foreground group; a job's end is ours to order.
            start_new_session=True,
        )
        self.exited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.ReadTransport | None = None
        try:
            self._handle = os.pidfd_open(self._process.pid)
        except OSError:
            # Nobody would learn of its end.
            self._process.kill()
            self._process.wait()
            self.close()
            raise
        self._loop.add_reader(self._handle, self._on_exit)

    @property
    def code(self) -> int:
        """The exit code, below 0 the number of a signal; 0 before the end."""
        return self._process.returncode or 0

    async def said(self) -> asyncio.StreamReader:
        """Its standard error."""
        reader = asyncio.StreamReader()
        self._heard, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stderr
        )
        return reader

    def terminate(self) -> None:
        """Tell it to end."""
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything of its group."""
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Listen no longer: something that left its group may hold its standard error open for ever."""
        if self._heard is not None:
            self._heard.close()
        elif self._process.stderr is not None:
            self._process.stderr.close()

    def _on_exit(self) -> None:
        # What it started and left behind ends with it; its id names its group until it is reaped.
        self.kill()
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self._process.wait()
        self.exited.set()


async def _until_ended(child: _Child, hearing: Coroutine[Any, Any, None]) -> None:
    """Hear everything until the process has ended; whatever outlives it may not keep its output open for long."""
    ended, heard = asyncio.ensure_future(child.exited.wait()), asyncio.ensure_future(hearing)
    try:
        await asyncio.wait({ended, heard}, return_when=asyncio.FIRST_COMPLETED)
        if not heard.done():
            await asyncio.wait({heard}, timeout=_LAST_WORDS)
        if heard.done():
            heard.result()
        await ended
    finally:
        for task in (ended, heard):
            task.cancel()
        await asyncio.gather(ended, heard, return_exceptions=True)


async def _hear(child: _Child, path: Path, tail: deque[str], on_message: OnMessage) -> None:
    left = _LARGEST_LOG
    async for line in _lines(await child.said()):
        if (message := _message(line)) is not None:
            await on_message(message)
            continue
        tail.append(line.decode(errors="replace")[:300])
        # A log that cannot be written is no reason to end the work.
        with contextlib.suppress(OSError), path.open("ab") as file:
            left -= file.write(line[:left] + b"\n") if left > 0 else 0


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines without their ends; one that is too long is cut, and nothing makes this process hold more than one."""
    pending = b""
    while chunk := await reader.read(_CHUNK):
        *whole, rest = (pending + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line[:_LONGEST_LINE]
        pending = rest[:_LONGEST_LINE]
    if pending.strip():
        yield pending


def _message(line: bytes) -> Mapping[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


async def _end(child: _Child, grace: float) -> None:
    """Have the process gone."""
    child.terminate()
    try:
        async with asyncio.timeout(grace):
            await child.exited.wait()
    except TimeoutError:
        log.warning("A job's process did not end within %g s and is killed.", grace)
        child.kill()
        await child.exited.wait()
    child.close()
