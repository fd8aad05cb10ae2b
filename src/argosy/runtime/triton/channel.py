"""gRPC calls over one HTTP/2 connection. Source: "gRPC over HTTP2" (protocol document of the gRPC project)."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import Callable
from urllib.parse import unquote

import grpc

from argosy.runtime.triton.http2 import CANCEL, Connection, Headers, Stream, request_headers

_prefix = struct.Struct(">BI")
_CONNECT_SECONDS = 5.0
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_RESET_CODES = {7: grpc.StatusCode.UNAVAILABLE, 8: grpc.StatusCode.CANCELLED, 11: grpc.StatusCode.RESOURCE_EXHAUSTED}


class RpcError(Exception):
    """A call that did not end with OK.

    Attributes:
        code: gRPC status.
        text: the server's words.
    """

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text


class Call:
    """One call: messages out, messages in. For one task at a time."""

    __slots__ = ("_error", "_finished", "_incoming", "_interruption", "_messages", "_stream", "_trailers", "_waiter")

    def __init__(self, connection: Connection) -> None:
        self._stream = Stream(connection, self._on_headers, self._on_data, self._on_end)
        self._messages: deque[bytes] = deque()
        self._incoming = b""
        self._trailers: Headers = {}
        self._error: RpcError | None = None
        self._interruption: RpcError | None = None
        self._finished = False
        self._waiter: asyncio.Future[None] | None = None

    def begin(self, headers: bytes, message: bytes | None = None, *, end: bool = False) -> None:
        """Send the headers, and the first message with them.

        Raises:
            RpcError: UNAVAILABLE, the connection is lost.
        """
        try:
            first = b"" if message is None else _framed(message)
            self._stream.connection.open(self._stream, headers, first, end=end)
        except ConnectionError as error:
            self._finish(RpcError(grpc.StatusCode.UNAVAILABLE, str(error)))
            raise RpcError(grpc.StatusCode.UNAVAILABLE, str(error)) from error

    def write(self, message: bytes) -> None:
        """Send one more message."""
        self._stream.send(_framed(message))

    def done_writing(self) -> None:
        """Send no more messages."""
        if not self._stream.sent_end:
            self._stream.send(b"", end=True)

    async def read(self) -> bytes | None:
        """The next message, or None when the call has ended with OK.

        Raises:
            RpcError: the call ended with something else, or was interrupted.
        """
        while not self._messages:
            if self._interruption is not None:
                interruption, self._interruption = self._interruption, None
                raise interruption
            if self._error is not None:
                raise self._error
            if self._finished:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._messages.popleft()

    def done(self) -> bool:
        """Whether nothing more can come."""
        return self._finished

    def interrupt(self, error: RpcError | None) -> None:
        """Let the `read` that waits, or the next that would, raise `error` once; the call itself goes on.

        None takes back an interruption that no `read` has met.
        """
        self._interruption = error
        self._wake()

    def cancel(self, error: RpcError | None = None) -> None:
        """Give the call up; a waiting `read` raises `error`. Harmless on a finished call."""
        if not self._finished:
            self._stream.reset(CANCEL)
            self._finish(error or RpcError(grpc.StatusCode.CANCELLED, "cancelled here"))

    def _on_data(self, data: bytes) -> None:
        incoming = self._incoming + data if self._incoming else data
        at, size = 0, len(incoming)
        while size - at >= 5:
            compressed, length = _prefix.unpack_from(incoming, at)
            end = at + 5 + length
            if end > size:
                break
            if compressed:
                self.cancel(RpcError(grpc.StatusCode.INTERNAL, "a compressed message, which was not asked for"))
                return
            self._messages.append(incoming[at + 5 : end])
            at = end
        self._incoming = incoming[at:] if at < size else b""
        if self._messages:
            self._wake()

    def _on_headers(self, headers: Headers, ended: bool) -> None:
        if headers:
            self._trailers = headers
        if ended:
            self._finish(_status(self._trailers))

    def _on_end(self, code: int | None) -> None:
        if code is None:
            self._finish(RpcError(grpc.StatusCode.UNAVAILABLE, "the connection was lost"))
        else:
            status = _RESET_CODES.get(code, grpc.StatusCode.INTERNAL)
            self._finish(RpcError(status, f"the server reset the stream with code {code}"))

    def _finish(self, error: RpcError | None) -> None:
        self._finished = True
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Channel:
    """Calls to one server. Connects at the first call; once the connection is lost every call is UNAVAILABLE.

    Args:
        address: `unix:/…` or `host:port`.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._connecting: asyncio.Lock = asyncio.Lock()
        self.closed = False

    async def connection(self) -> Connection:
        """The connection, made when there is none.

        Raises:
            RpcError: UNAVAILABLE, nobody listens there.
        """
        connection = self._connection
        if connection is not None and not connection.lost:
            return connection
        async with self._connecting:
            if self._connection is None or self._connection.lost:
                self._connection = await self._connect()
            return self._connection

    async def unary(self, headers: bytes, message: bytes, seconds: float | None = None) -> bytes:
        """One message out, one message in.

        Raises:
            RpcError: the call did not end with OK; DEADLINE_EXCEEDED after `seconds`.
        """
        call = Call(await self.connection())
        timer = None if seconds is None else expire_after(call.cancel, seconds)
        try:
            call.begin(headers, message, end=True)
            answer = await call.read()
            if answer is None:
                raise RpcError(grpc.StatusCode.INTERNAL, "the call ended with OK and without an answer")
            # The status comes after the message, mostly in the same packet.
            await call.read()
            return answer
        finally:
            if timer is not None:
                timer.cancel()
            call.cancel()

    async def open(self, headers: bytes) -> Call:
        """A call whose messages are written and read one by one.

        Raises:
            RpcError: UNAVAILABLE, nobody listens there.
        """
        call = Call(await self.connection())
        call.begin(headers)
        return call

    def close(self) -> None:
        """Drop the connection; every call ends with UNAVAILABLE. Idempotent."""
        self.closed = True
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> Connection:
        if self.closed:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "the channel is closed")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if self._address.startswith("unix:"):
                    path = self._address.removeprefix("unix:")
                    _, connection = await loop.create_unix_connection(Connection, path)
                else:
                    host, _, port = self._address.rpartition(":")
                    _, connection = await loop.create_connection(Connection, host.strip("[]"), int(port))
        except (OSError, TimeoutError, ValueError) as error:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, f"cannot connect: {error}") from error
        return connection


def method(service: str, name: str) -> bytes:
    """The header block of calls to one method."""
    return request_headers(f"{service}{name}")


def expire_after(act: Callable[[RpcError], None], seconds: float) -> asyncio.TimerHandle:
    """Call `act` with DEADLINE_EXCEEDED after `seconds`, unless the handle is cancelled before."""
    late = RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed")
    return asyncio.get_running_loop().call_later(seconds, act, late)


def _framed(message: bytes) -> bytes:
    return _prefix.pack(0, len(message)) + message


def _status(trailers: Headers) -> RpcError | None:
    """The error that the trailers tell, or None for OK."""
    number = trailers.get("grpc-status", "")
    if number == "0":
        return None
    code = grpc.StatusCode.UNKNOWN
    with contextlib.suppress(ValueError, KeyError):
        code = _CODES[int(number)]
    if not number and trailers.get(":status") not in {None, "200"}:
        code = grpc.StatusCode.UNAVAILABLE
    return RpcError(code, unquote(trailers.get("grpc-message", "")))
