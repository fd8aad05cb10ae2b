"""One generation of the server process: start, watch, end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from argosy.core.errors import MissingRequirement, RuntimeFailure, RuntimeStartFailed
from argosy.runtime.triton import group
from argosy.runtime.triton.control import TritonControl
from argosy.runtime.triton.fence import HEADER, Fence
from argosy.runtime.triton.group import Member, Record
from argosy.runtime.triton.server_log import ServerLog

_LAUNCHER = Path(__file__).with_name("launch.py")
_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_SOCKET_PATH = 107
_POLL = 0.02


class Watch:
    """Calls back, once and from the event loop, when a process ends. Uses a pidfd: no polling, no PID reuse."""

    def __init__(self, pid: int, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._fd = os.pidfd_open(pid)
        self._loop.add_reader(self._fd, self._ended)

    def close(self) -> None:
        """Stop watching; idempotent."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _ended(self) -> None:
        self.close()
        self._callback()


class TritonProcess:
    """A `tritonserver` of ours in its own session, with everything it starts.

    Guarantees: `end` leaves no process, zombie, socket or shared memory of this generation behind; so does the
    death of the process that called `launch`, except for what the next start sweeps from the record.
    """

    def __init__(self, fence: Fence, log: ServerLog, record: Record) -> None:
        self.fence = fence
        self.control = TritonControl(fence.address, header=HEADER, secret=fence.secret)
        self.exited = asyncio.Event()
        self._log = log
        self._record = record
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

    @property
    def pid(self) -> int:
        """Process id of the server, and of its process group; 0 before `launch`."""
        return self._process.pid if self._process else 0

    def launch(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        """Start the server; returns before it listens.

        Raises:
            RuntimeStartFailed: the program could not be run, or the socket's path is too long.
        """
        if len(os.fsencode(self.fence.socket)) > _LONGEST_SOCKET_PATH:
            raise RuntimeStartFailed(f"{self.fence.socket} is too long for a Unix socket: use a shorter run directory.")
        self.fence.socket.unlink(missing_ok=True)
        writer = self._log.open()
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                [*launcher, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise RuntimeStartFailed(f"{sys.executable} could not be run: {error}.") from error
        finally:
            os.close(writer)
        self._watch = Watch(self._process.pid, self.exited.set)
        self.survey()

    async def wait_live(self, deadline: float) -> None:
        """Wait until the server answers.

        Raises:
            RuntimeStartFailed: it ended, or did not answer within `deadline` seconds; has the end of its log.
        """
        try:
            async with asyncio.timeout(deadline):
                while not self.fence.socket.exists() and not self.exited.is_set():  # noqa: ASYNC110 - a file
                    await asyncio.sleep(_POLL)
                while not self.exited.is_set() and not await self._live():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise RuntimeStartFailed(
                f"Triton did not answer within {deadline:g} s. Its log ends with:\n{self._log.tail()}"
            ) from None
        if self.exited.is_set():
            raise RuntimeStartFailed(f"Triton ended while starting. Its log ends with:\n{self._log.tail()}")

    def survey(self) -> frozenset[Member]:
        """Look at the processes of this generation now, and note them in the record."""
        found = group.members(self.pid)
        self._record.add(found)
        return found

    async def end(self, grace: float) -> None:
        """End the server and everything it started; idempotent.

        Args:
            grace: seconds between SIGTERM and SIGKILL; 0 kills at once.
        """
        await self.control.close()
        if self._process is None:
            return
        if grace > 0 and not self.exited.is_set():
            # To the server alone: it finishes what it has and tells its model processes to go.
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.exited.wait(), grace)
        found = group.members(self.pid)
        group.destroy(self.pid, found | self._record.add(found))
        await self._reap()
        self._log.close()
        self.fence.socket.unlink(missing_ok=True)
        self._record.clear()
        self._process = None

    async def _live(self) -> bool:
        try:
            return await self.control.live(within=1.0)
        except RuntimeFailure:
            return False

    async def _reap(self) -> None:
        """Collect the exit status of the server and of every orphan that became our child."""
        process = self._process
        if process is None:
            return
        await self.exited.wait()
        process.wait()
        if self._watch is not None:
            self._watch.close()
        while _reap_one(process.pid):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(_POLL)


def adopt_orphans() -> None:
    """Make this process the parent of model processes whose server died, so that they can be reaped.

    Raises:
        MissingRequirement: the kernel is too old.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 or not hasattr(os, "pidfd_open"):
        raise MissingRequirement("Argosy needs Linux 5.3 or newer.")


def _reap_one(process_group: int) -> bool:
    """Collect children of the group that have ended; whether any is still ending."""
    try:
        while True:
            pid, _ = os.waitpid(-process_group, os.WNOHANG)
            if pid == 0:
                return True
    except ChildProcessError:
        return False
