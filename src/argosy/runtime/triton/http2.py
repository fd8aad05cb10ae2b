"""As much of HTTP/2 as a gRPC client on one trusted connection needs (RFC 9113, RFC 7541).

Written because it is most of what a small request costs: grpcio's asyncio client wakes a thread and the event loop for
every event of a call, here one read of the socket serves every call that has news. Many streams share the connection;
flow control is respected when sending, and set wide open when receiving, because admission bounds what is in flight.

Not done, because the peer is Triton's gRPC server and nobody else: server push, priorities, header compression with a
table (our SETTINGS forbid the table, so that equal header blocks mean equal headers).
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from hpack import Decoder, HPACKError

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 1, 2, 4, 5
_LARGEST_WINDOW: Final = 2**31 - 1
_DEFAULT_WINDOW: Final = 65_535
_REOPEN_AFTER: Final = 2**29
_OUR_FRAME_SIZE: Final = 2**24 - 1
_MOST_CACHED_BLOCKS: Final = 256
CANCEL: Final = 8

_head = struct.Struct(">HBBBI")
_setting = struct.Struct(">HI")
_number = struct.Struct(">I")

Headers = dict[str, str]


class Stream:
    """One request and its answer. Its owner sets the callbacks; they run on the event loop and must not raise.

    Attributes:
        on_data: told each piece of the body.
        on_headers: told each header block and whether the stream ended with it.
        on_end: told, once, why the stream ended early: an HTTP/2 error code, or None when the connection was lost.
    """

    __slots__ = (
        "connection",
        "ended",
        "id",
        "on_data",
        "on_end",
        "on_headers",
        "outgoing",
        "received",
        "sent_end",
        "window",
    )

    def __init__(
        self,
        connection: Connection,
        on_headers: Callable[[Headers, bool], None],
        on_data: Callable[[bytes], None],
        on_end: Callable[[int | None], None],
    ) -> None:
        self.connection = connection
        self.on_headers = on_headers
        self.on_data = on_data
        self.on_end = on_end
        self.id = 0
        self.ended = False
        self.sent_end = False
        self.received = 0
        self.window = 0
        self.outgoing: deque[tuple[bytes, bool]] = deque()

    def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the body; waits inside for the peer's window when that is used up."""
        self.connection.send_data(self, data, end=end)

    def reset(self, code: int = CANCEL) -> None:
        """Give the request up; nothing is told to the callbacks any more. Harmless on an ended stream."""
        self.connection.reset(self, code)


class Connection(asyncio.Protocol):
    """An HTTP/2 connection as its client. `open` begins a stream; callbacks of the streams do the rest."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._buffer = b""
        self._decoder = Decoder()
        self._decoder.max_allowed_table_size = 0
        self._blocks: dict[bytes, Headers] = {}
        self._partial: tuple[int, int, bytes] | None = None
        self._window = _DEFAULT_WINDOW
        self._stream_window = _DEFAULT_WINDOW
        self._frame_size = 16_384
        self._received = 0
        self._blocked: dict[int, Stream] = {}
        self._unsent: list[bytes] = []

    def open(self, stream: Stream, headers: bytes, data: bytes = b"", *, end: bool = False) -> None:
        """Begin a stream with an encoded header block and, in the same write, the first piece of its body.

        Raises:
            ConnectionError: the connection is lost, or has used up its stream numbers.
        """
        if self.lost or self._transport is None or self._next_id > _LARGEST_WINDOW:
            raise ConnectionError("the HTTP/2 connection is closed")
        stream.id, self._next_id = self._next_id, self._next_id + 2
        stream.window = self._stream_window
        self._streams[stream.id] = stream
        start = _frame(_HEADERS, _END_HEADERS, stream.id, headers)
        if 0 < len(data) <= min(self._frame_size, stream.window, self._window):
            self._window -= len(data)
            stream.window -= len(data)
            stream.sent_end = end
            self._write(start + _frame(_DATA, _END_STREAM if end else 0, stream.id, data))
            return
        self._write(start)
        if data or end:
            self.send_data(stream, data, end=end)

    def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        """See `Stream.send`."""
        if stream.ended or self._transport is None:
            return
        stream.outgoing.append((data, end))
        if stream.id not in self._blocked:
            self._flush(stream)

    def reset(self, stream: Stream, code: int) -> None:
        """See `Stream.reset`."""
        if stream.ended:
            return
        self._forget(stream)
        if self._transport is not None and not self.lost:
            self._write(_frame(_RST_STREAM, 0, stream.id, _number.pack(code)))

    def close(self) -> None:
        """Close the connection; every stream is told that it is lost. Idempotent."""
        if self._transport is not None:
            self._transport.abort()
        self._lose()

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface, our settings and the wide window."""
        # uvloop's transports are asyncio's in all but their base class.
        self._transport = cast("asyncio.Transport", transport)
        ours = (
            (_HEADER_TABLE_SIZE, 0),
            (_ENABLE_PUSH, 0),
            (_INITIAL_WINDOW_SIZE, _LARGEST_WINDOW),
            (_MAX_FRAME_SIZE, _OUR_FRAME_SIZE),
        )
        self._write(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, b"".join(_setting.pack(*pair) for pair in ours))
            + _frame(_WINDOW_UPDATE, 0, 0, _number.pack(_LARGEST_WINDOW - _DEFAULT_WINDOW))
        )

    def data_received(self, data: bytes) -> None:
        """Take frames off the wire."""
        buffer = self._buffer + data if self._buffer else data
        at, size = 0, len(buffer)
        while size - at >= 9:
            high, low, kind, flags, stream_id = _head.unpack_from(buffer, at)
            end = at + 9 + (high << 8 | low)
            if end > size:
                break
            self._take(kind, flags, stream_id & _LARGEST_WINDOW, buffer[at + 9 : end])
            at = end
        self._buffer = buffer[at:] if at < size else b""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the streams learn that, not why
        """Tell every stream."""
        self._lose()

    # -- frames --

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == _DATA:
            self._take_data(flags, stream_id, payload)
        elif kind == _HEADERS:
            self._take_headers(flags, stream_id, _without_priority(flags, _without_padding(flags, payload)))
        elif kind == _CONTINUATION and self._partial is not None:
            first_flags, first_id, block = self._partial
            self._take_headers(first_flags | flags & _END_HEADERS, first_id, block + payload)
        elif kind == _WINDOW_UPDATE:
            self._take_window(stream_id, _number.unpack(payload)[0] & _LARGEST_WINDOW)
        elif kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, payload))
        elif kind == _RST_STREAM:
            self._end(stream_id, _number.unpack(payload)[0])
        elif kind == _GOAWAY:
            self._take_goaway(_number.unpack_from(payload)[0] & _LARGEST_WINDOW)

    def _take_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._received += len(payload)
        if self._received > _REOPEN_AFTER:
            self._write(_frame(_WINDOW_UPDATE, 0, 0, _number.pack(self._received)))
            self._received = 0
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.received += len(payload)
        if stream.received > _REOPEN_AFTER:
            self._write(_frame(_WINDOW_UPDATE, 0, stream_id, _number.pack(stream.received)))
            stream.received = 0
        stream.on_data(_without_padding(flags, payload))
        if flags & _END_STREAM:
            self._forget(stream)
            stream.on_headers({}, True)  # noqa: FBT003

    def _take_headers(self, flags: int, stream_id: int, block: bytes) -> None:
        if not flags & _END_HEADERS:
            self._partial = (flags, stream_id, block)
            return
        self._partial = None
        headers = self._decode(block)
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        ended = bool(flags & _END_STREAM)
        if ended:
            self._forget(stream)
        stream.on_headers(headers, ended)

    def _decode(self, block: bytes) -> Headers:
        headers = self._blocks.get(block)
        if headers is not None:
            return headers
        try:
            headers = {str(name): str(value) for name, value in self._decoder.decode(block)}
        except HPACKError:
            self.close()
            return {}
        if len(self._blocks) < _MOST_CACHED_BLOCKS:
            self._blocks[block] = headers
        return headers

    def _take_settings(self, payload: bytes) -> None:
        for name, value in _setting.iter_unpack(payload):
            if name == _INITIAL_WINDOW_SIZE:
                change, self._stream_window = value - self._stream_window, value
                for stream in self._streams.values():
                    stream.window += change
            elif name == _MAX_FRAME_SIZE:
                self._frame_size = value
        self._write(_frame(_SETTINGS, _ACK, 0, b""))
        self._unblock()

    def _take_window(self, stream_id: int, more: int) -> None:
        if stream_id == 0:
            self._window += more
            self._unblock()
        elif (stream := self._streams.get(stream_id)) is not None:
            stream.window += more
            if stream_id in self._blocked:
                self._flush(stream)

    def _take_goaway(self, last: int) -> None:
        """The peer takes no new streams; those it has seen go on."""
        self.lost = True
        for stream_id in [number for number in self._streams if number > last]:
            self._end(stream_id, None)

    # -- sending under flow control --

    def _flush(self, stream: Stream) -> None:
        frames = []
        while stream.outgoing:
            data, end = stream.outgoing[0]
            room = min(self._window, stream.window, self._frame_size)
            if data and room <= 0:
                break
            piece, rest = data[:room], data[room:]
            last = end and not rest
            frames.append(_frame(_DATA, _END_STREAM if last else 0, stream.id, piece))
            self._window -= len(piece)
            stream.window -= len(piece)
            if rest:
                stream.outgoing[0] = (rest, end)
            else:
                stream.outgoing.popleft()
                stream.sent_end = stream.sent_end or end
        if stream.outgoing:
            self._blocked[stream.id] = stream
        else:
            self._blocked.pop(stream.id, None)
        if frames:
            self._write(b"".join(frames))

    def _unblock(self) -> None:
        for stream in list(self._blocked.values()):
            self._flush(stream)

    def _write(self, data: bytes) -> None:
        """Send with whatever else this pass of the event loop sends: a system call costs more than a small request."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(data)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    # -- ends --

    def _end(self, stream_id: int, code: int | None) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._forget(stream)
            stream.on_end(code)

    def _forget(self, stream: Stream) -> None:
        stream.ended = True
        stream.outgoing.clear()
        self._streams.pop(stream.id, None)
        self._blocked.pop(stream.id, None)

    def _lose(self) -> None:
        self.lost = True
        for stream_id in list(self._streams):
            self._end(stream_id, None)


def request_headers(path: str, authority: str = "localhost") -> bytes:
    """The encoded header block of a gRPC call (gRPC over HTTP2, "Requests"): literals only, no table."""
    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http
            b"\x04" + _text(path),
            b"\x01" + _text(authority),
            b"\x00" + _text("te") + _text("trailers"),
            b"\x00" + _text("content-type") + _text("application/grpc"),
            b"\x00" + _text("user-agent") + _text("argosy"),
        )
    )


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    if len(data) > 126:
        raise ValueError(f"{text!r} is too long for a header of ours")
    return bytes((len(data),)) + data


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    size = len(payload)
    return _head.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def _without_padding(flags: int, payload: bytes) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload


def _without_priority(flags: int, payload: bytes) -> bytes:
    return payload[5:] if flags & _PRIORITY else payload
