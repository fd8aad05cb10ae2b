"""The pool's side of one decoder process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from asyncio.subprocess import DEVNULL, Process
from dataclasses import dataclass

import msgspec
import numpy as np

from argosy.inspection.images import messages
from argosy.inspection.images.headers.header import Header
from argosy.inspection.images.messages import Confine, Confined, Decode, Decoded, Refused
from argosy.inspection.images.picture import Pixels

_MODULE = "argosy.inspection.images.decoder_process"
_LENGTH = struct.Struct("<I")
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
"""Variables that the process needs; the others may be secrets."""


class DecoderGone(Exception):
    """The process has ended, or does not speak as agreed: it must be ended and replaced."""


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What decoding may cost.

    Attributes:
        memory: bytes of address space that one picture may add to an idle process.
        cpu_seconds: processor time for one picture; whole seconds, and the kernel may be one second late.
        seconds: wall time for one picture.
        grace: seconds that a process may go on with a picture that nobody waits for any more. Most are done by then,
            and a new process costs more.
        pictures: after so many a process is replaced, whatever it may have kept of them.
        start_seconds: wall time for a process to become ready.
    """

    memory: int = 640 << 20
    cpu_seconds: int = 10
    seconds: float = 20.0
    grace: float = 0.25
    pictures: int = 1000
    start_seconds: float = 30.0


class DecoderChild:
    """One decoder process, which decodes one picture at a time. Use `start`; whoever has it must `end` it."""

    def __init__(self, process: Process, line: socket.socket) -> None:
        self._process = process
        self._line = line
        self.decoded = 0

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended, as far as is known here."""
        return self._process.returncode is None

    @classmethod
    async def start(cls, limits: DecoderLimits, pixels: int) -> DecoderChild:
        """A process that is ready to decode.

        Args:
            limits: what it may use.
            pixels: of a picture, at most.

        Raises:
            DecoderGone: it did not become ready.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    _MODULE,
                    str(theirs.fileno()),
                    str(os.getpid()),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                )
        except BaseException:
            ours.close()
            raise
        child = cls(process, ours)
        try:
            await child._become_ready(limits, pixels)
        except BaseException:
            await child.end()
            raise
        return child

    async def decode(self, data: bytes, header: Header) -> tuple[Decoded, Pixels] | Refused:
        """Let it decode one picture; when this is cancelled the process must be ended.

        Raises:
            DecoderGone: it died, or does not answer as agreed.
        """
        await self._send(messages.encode(Decode.of(header)))
        await self._send(data)
        report = await self._report()
        self.decoded += 1
        if isinstance(report, Refused):
            return report
        sides = {header.height, header.width}
        if not isinstance(report, Decoded) or {report.height, report.width} != sides:
            raise DecoderGone
        shape = (report.height, report.width, report.channels)[: 2 if report.channels == 1 else 3]
        pixels: Pixels = np.empty(shape, np.uint8) if report.depth == 8 else np.empty(shape, np.uint16)
        await self._receive_into(pixels.data.cast("B"))
        return report, pixels

    async def end(self) -> None:
        """Kill it and wait until it is gone; idempotent. Runs to its end when it is cancelled meanwhile."""
        # Before its line is closed: asyncio complains of a process that ended by itself just then.
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._line.close()
        waiting = asyncio.ensure_future(self._process.wait())
        cancelled = False
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    def kill(self) -> None:
        """Kill it; whoever talks to it gets `DecoderGone`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _become_ready(self, limits: DecoderLimits, pixels: int) -> None:
        try:
            async with asyncio.timeout(limits.start_seconds):
                await self._send(messages.encode(Confine(limits.memory, limits.cpu_seconds, pixels)))
                report = await self._report()
        except TimeoutError:
            raise DecoderGone from None
        if not isinstance(report, Confined):
            raise DecoderGone

    async def _send(self, frame: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._line, _LENGTH.pack(len(frame)))
            await loop.sock_sendall(self._line, frame)
        except OSError:
            raise DecoderGone from None

    async def _report(self) -> messages.Report:
        head = bytearray(_LENGTH.size)
        await self._exactly(memoryview(head))
        (length,) = _LENGTH.unpack(head)
        if length > messages.REPORT_SIZE:
            raise DecoderGone
        frame = bytearray(length)
        await self._exactly(memoryview(frame))
        try:
            report: messages.Report = messages.decode_report(frame)
        except msgspec.DecodeError:
            raise DecoderGone from None
        return report

    async def _receive_into(self, view: memoryview) -> None:
        """A frame that must be exactly as long as `view`."""
        head = bytearray(_LENGTH.size)
        await self._exactly(memoryview(head))
        if _LENGTH.unpack(head) != (len(view),):
            raise DecoderGone
        await self._exactly(view)

    async def _exactly(self, view: memoryview) -> None:
        loop = asyncio.get_running_loop()
        while view:
            try:
                count = await loop.sock_recv_into(self._line, view)
            except OSError:
                raise DecoderGone from None
            if not count:
                raise DecoderGone
            view = view[count:]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # A thread that waits for nothing else than work of its own costs address space.
    return {**kept, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}
