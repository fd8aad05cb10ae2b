"""Frames over a socket between a process and its child: a 4-byte length, then that many bytes."""

from __future__ import annotations

import contextlib
import select
import socket
import struct

_LENGTH = struct.Struct("<I")
_READ = 1 << 16


class Channel:
    """One end. One thread sends and one thread receives.

    Args:
        sock: a connected stream socket, owned from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()

    def send(self, frame: bytes) -> None:
        """Send one frame; waits while the other end does not read.

        Raises:
            OSError: the other end is gone.
        """
        self._socket.sendall(_LENGTH.pack(len(frame)) + frame)

    def receive(self, *, wait: bool = True) -> list[bytes]:
        """Whole frames that have arrived, in order; with `wait` at least one, otherwise possibly none.

        Raises:
            EOFError: the other end is gone.
        """
        frames: list[bytes] = []
        while not frames:
            try:
                data = self._socket.recv(_READ, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError as error:
                raise EOFError(str(error)) from error
            if not data:
                raise EOFError("The other end is gone.")
            self._buffer += data
            frames = self._whole_frames()
        return frames

    def readable(self, seconds: float) -> bool:
        """Whether something arrives within `seconds`."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Hang up: both ends' waits finish; idempotent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _whole_frames(self) -> list[bytes]:
        frames, begin = [], 0
        while len(self._buffer) - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, begin)
            end = begin + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[begin + _LENGTH.size : end]))
            begin = end
        del self._buffer[:begin]
        return frames
