"""uvicorn's HTTP/1.1 protocol, with the head of an answer in the same write as what follows it.

uvicorn writes head and body apart, and uvloop passes each on at once: two system calls, and a client of this machine
is woken twice. Held until the next write, a head costs nothing; one that nothing follows leaves at the end of the pass
of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "
_END_OF_HEAD = b"\r\n\r\n"
_LARGEST_JOINED = 64 << 10
"""Bytes up to which copying a body behind its head costs less than a write."""


class JoiningTransport:
    """A transport that holds heads back for the write that follows; everything else is the transport's below.

    Guarantees: bytes leave in the order of the writes; nothing is held across passes of the event loop; closing sends
    what is held first.
    """

    def __init__(self, below: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._below = below
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def write(self, data: bytes) -> None:
        """See `asyncio.Transport`."""
        if self._head:
            head, self._head = self._head, b""
            if len(data) <= _LARGEST_JOINED:
                data = head + data
            else:
                self._below.write(head)
        elif data.endswith(_END_OF_HEAD) and data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._below.write(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """See `asyncio.Transport`."""
        self.write(b"".join(pieces))

    def close(self) -> None:
        """See `asyncio.Transport`."""
        self._flush()
        self._below.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.Transport`."""
        self._flush()
        self._below.set_protocol(protocol)

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._below.write(head)


class JoiningProtocol(HttpToolsProtocol):
    """What uvicorn runs for each connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(JoiningTransport(transport, self.loop))  # type: ignore[arg-type]
