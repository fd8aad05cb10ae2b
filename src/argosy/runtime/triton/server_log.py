"""Triton's output: into a file of bounded size, and its end kept for error messages."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from pathlib import Path

_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_LONGEST_LINE = 2000


class ServerLog:
    """One pipe from the server, drained by the event loop so that the server never waits for its reader.

    Args:
        path: written to; the file before it is kept as `<path>.1`.
        largest: bytes after which the file is rotated.
        lines: how many lines `tail` may have.
    """

    def __init__(self, path: Path, *, largest: int = 16 << 20, lines: int = 200) -> None:
        self._path = path
        self._largest = largest
        self._ring: deque[str] = deque(maxlen=lines)
        self._partial = b""
        self._reader = -1
        self._file = -1
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> int:
        """Start draining; returns the write end for the server, which the caller closes after handing it over."""
        self._rotate()
        self._reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.fcntl(writer, fcntl.F_SETFL, 0)  # the server expects a blocking stdout
        # Over this user's limit? The default size works too.
        with contextlib.suppress(OSError):
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._drain)
        return writer

    def close(self) -> None:
        """Read what is left and stop; idempotent."""
        if self._reader >= 0:
            self._drain()
        if self._reader >= 0:
            self._stop_reading()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def tail(self, lines: int = 20) -> str:
        """The last lines, without the tables that Triton prints at start."""
        wanted = [line for line in self._ring if line and not line.startswith(("+", "|"))]
        return "\n".join(wanted[-lines:])

    def _drain(self) -> None:
        try:
            while data := os.read(self._reader, _READ_BYTES):
                self._keep(data)
        except BlockingIOError:
            return
        self._stop_reading()

    def _stop_reading(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._reader)
        os.close(self._reader)
        self._reader = -1

    def _keep(self, data: bytes) -> None:
        if self._size + len(data) > self._largest:
            self._rotate()
        # A full disk must not stop the server.
        with contextlib.suppress(OSError):
            os.write(self._file, data)
        self._size += len(data)
        *lines, rest = (self._partial + data).split(b"\n")
        self._partial = rest[-_LONGEST_LINE:]
        self._ring.extend(line[:_LONGEST_LINE].decode(errors="replace") for line in lines)

    def _rotate(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        if self._path.exists():
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0
