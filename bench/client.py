"""A lean HTTP/1.1 client: one keep-alive connection an object, bytes in, bytes out.

The usual clients cost more than the gateway they would measure. This one writes ready-made bytes, parses with
httptools, and while a stream runs only looks for the first token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import orjson

CONNECT_SECONDS = 10.0
_EVENT_END = b"\n\n"


class Disconnected(ConnectionError):
    """The server closed the connection before the answer was whole."""


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes:
        sent, first, ended: seconds on the performance counter; `first` is when `is_first` (see `Connection.send`)
            agreed, or None when it never did.
    """

    status: int
    sent: float
    ended: float
    first: float | None
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    @property
    def seconds(self) -> float:
        """From the request's first byte to the answer's last."""
        return self.ended - self.sent


def post(host: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST request of JSON, ready to send."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._reply: Reply | None = None
        self._is_first: Callable[[bytes], bool] | None = None

    @classmethod
    async def open(cls, host: str, port: int) -> Connection:
        """Connect within `CONNECT_SECONDS`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await loop.create_connection(cls, host, port)
        return connection

    @property
    def usable(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    async def send(self, request: bytes, deadline: float, is_first: Callable[[bytes], bool] | None = None) -> Reply:
        """Send and wait for the whole answer.

        Args:
            deadline: seconds until `TimeoutError`.
            is_first: called with each piece of the body until it says that the awaited thing has come.

        Raises:
            Disconnected: the connection ended early.
            TimeoutError: no whole answer in time; the connection is closed then.
        """
        if not self.usable or self._transport is None:
            raise Disconnected("the connection is closed or busy")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._is_first = is_first
        self._reply = Reply(0, time.perf_counter(), 0.0, None)
        self._transport.write(request)
        timer = asyncio.get_running_loop().call_later(deadline, self._expire)
        try:
            return await self._answer
        finally:
            timer.cancel()
            if not self._answer.done() or self._answer.cancelled():
                self.close()
            self._answer = None

    def close(self) -> None:
        """Drop the connection at once, whatever is in flight."""
        if self._transport is not None:
            self._transport.abort()

    def _expire(self) -> None:
        self._fail(TimeoutError("no whole answer in time"))
        self.close()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(Disconnected(str(error or "closed by the server")))

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Disconnected(f"not HTTP: {error}"))
            self.close()

    # httptools callbacks

    def on_body(self, piece: bytes) -> None:
        reply = self._reply
        assert reply is not None
        reply.pieces.append(piece)
        if self._is_first is not None and self._is_first(piece):
            reply.first = time.perf_counter()
            self._is_first = None

    def on_message_complete(self) -> None:
        reply, parser = self._reply, self._parser
        assert reply is not None
        assert parser is not None
        reply.ended = time.perf_counter()
        reply.status = parser.get_status_code()
        if not parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)


class FirstToken:
    """Finds the first event of a stream that carries text; give `seen` to `Connection.send`."""

    def __init__(self) -> None:
        self._rest = b""

    def seen(self, piece: bytes) -> bool:
        """Whether an event with text ended in what came so far."""
        *events, self._rest = (self._rest + piece).split(_EVENT_END)
        return any(event_text(event) for event in events)


def events(body: bytes) -> list[dict[str, Any]]:
    """The JSON events of a server-sent stream, in order.

    Raises:
        ValueError: the stream does not end with `[DONE]`.
    """
    lines = [event.removeprefix(b"data: ") for event in body.split(_EVENT_END) if event.startswith(b"data: ")]
    if not lines or lines[-1].strip() != b"[DONE]":
        raise ValueError(f"the stream did not end with [DONE]: {body[-200:]!r}")
    return [orjson.loads(line) for line in lines[:-1]]


def event_text(event: bytes) -> str:
    """The text of one event of a chat or text completion, empty when it has none."""
    if not event.startswith(b"data: ") or event.startswith(b"data: [DONE]"):
        return ""
    choices = orjson.loads(event.removeprefix(b"data: ")).get("choices") or [{}]
    return choices[0].get("text") or (choices[0].get("delta") or {}).get("content") or ""
