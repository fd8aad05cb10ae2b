"""One request and its answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from argosy.api.http.bodies import BodyReader, T
from argosy.api.http.errors import ErrorDialect, headers_of, status_of
from argosy.core.errors import (
    ArgosyError,
    HeadersTooLarge,
    InvalidRequest,
    PayloadTooLarge,
    RequestCancelled,
    RequestTimeout,
    UnsupportedMediaType,
)
from argosy.server.admission.admission import Admission
from argosy.server.catalog.catalog import ServedModel
from argosy.server.catalog.single import SingleModel
from argosy.server.dataplane.call import Call

Header = tuple[bytes, bytes]

JSON = b"application/json"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_JSON_TYPE = re.compile(rb"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_SHOWN_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
_ONCE = frozenset(
    {
        b"host",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"inference-header-content-length",
        b"x-request-timeout-ms",
    }
)
_MOST_WARNED = 8
# A task that waits for the client to leave costs more than most requests; only the slow ones get one.
_WATCH_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Bounds on requests.

    Attributes:
        max_body_bytes: largest body.
        body_seconds: longest time a client may take to send its body.
        max_headers: most headers.
        max_header_bytes: names and values of all headers together.
        keep_alive_seconds: silence in an event stream after which a comment is sent.
        send_seconds: time a client may leave an event stream unread before it is cut off.
    """

    max_body_bytes: int = 16 << 20
    body_seconds: float = 15.0
    max_headers: int = 100
    max_header_bytes: int = 32 << 10
    keep_alive_seconds: float = 15.0
    send_seconds: float = 30.0


class Exchange(Request):
    """A request as endpoints see it, and the ways to answer it.

    Attributes:
        request_id: ours, or the client's when it is well-formed.
        received: when the request arrived, on the monotonic clock.
        errors: the dialect of error replies; the route sets it.
        fields: names of tensors to names of request fields, for errors that come from an engine.
        principal: who asks, by name; empty on routes that need no key.
        operator: whether the one who asks may load and unload models.
        scope_model: the one model there is, for a request under `/m/{model}/`; None when all of them are.
        status: of the answer so far; 0 before there is one, 499 when the client left first.
        error: the code of the error it ended with, or empty.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        options: HttpOptions,
        admission: Admission,
        errors: ErrorDialect,
        request_id: str,
    ) -> None:
        super().__init__(scope, receive, send)
        self.received = time.monotonic()
        self.request_id = request_id
        self.options = options
        self.errors = errors
        self.fields: Mapping[str, str] = {}
        self.route = ""
        self.principal = ""
        self.operator = False
        self.scope_model: SingleModel | None = None
        self.model = ""
        self.prompt_tokens = 0
        self.output_tokens = 0
        self.status = 0
        self.error = ""
        self.interruption: ArgosyError | None = None
        self._admission = admission
        self._values: dict[bytes, bytes] = {}
        self._size = 0
        self._arrived = False
        self._started = False
        self._ended = False
        self._warnings: tuple[str, ...] = ()
        self._task = asyncio.current_task()
        self._watch_timer: asyncio.TimerHandle | None = None
        self._watch_task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether the status line has been sent."""
        return self._started

    def inspect_headers(self) -> None:
        """Read the headers once and refuse what no route accepts.

        Raises:
            HeadersTooLarge: too many, or too long together.
            InvalidRequest: a header that must be single stands twice.
            PayloadTooLarge: the announced body is over the limit.
            UnsupportedMediaType: the body is compressed.
        """
        headers: Sequence[Header] = self.scope["headers"]
        values: dict[bytes, bytes] = {}
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            if name in values and name in _ONCE:
                raise InvalidRequest(f"The header {name.decode()} was sent twice.")
            values[name] = value
        if len(headers) > self.options.max_headers or size > self.options.max_header_bytes:
            raise HeadersTooLarge(
                f"The headers are over the limit of {self.options.max_headers} headers and "
                f"{self.options.max_header_bytes} bytes."
            )
        self._values = values
        own = values.get(b"x-request-id")
        if own is not None and _REQUEST_ID.fullmatch(own):
            self.request_id = own.decode()
        if values.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType("Compressed bodies are not accepted. Send the body without Content-Encoding.")
        length = values.get(b"content-length")
        if length is not None and length.isdigit() and int(length) > self.options.max_body_bytes:
            raise self._too_large()

    async def read(self, reader: BodyReader[T]) -> T:
        """The body as a struct; from here on the client is watched, and its leaving ends the request.

        Raises:
            UnsupportedMediaType: the content type is not JSON.
            PayloadTooLarge: the body is over the limit.
            RequestTimeout: it took too long to arrive.
            RequestCancelled: the client left.
            InvalidRequest: see `BodyReader.read`.
            ModelNotFound: the body names another model than the one this address serves.
        """
        content_type = self._values.get(b"content-type")
        if content_type and not _JSON_TYPE.fullmatch(content_type):
            raise UnsupportedMediaType("The body must be JSON. Send the header 'Content-Type: application/json'.")
        only = self.scope_model
        value, unknown = reader.read(await self.payload(), None if only is None else only.name)
        if unknown:
            self.warn(unknown)
        if only is not None and isinstance(model := getattr(value, "model", None), str):
            only.check(model)
        return value

    async def payload(self) -> bytes:
        """The body, of whatever content type; from here on the client is watched, and its leaving ends the request.

        Raises:
            PayloadTooLarge: the body is over the limit.
            RequestTimeout: it took too long to arrive.
            RequestCancelled: the client left.
        """
        body = await self.body()
        self._arrived = True
        self._size = len(body)
        self._watch_timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._start_watching)
        return body

    def header(self, name: bytes) -> bytes | None:
        """The value of the header with that lower-case name, or None; the last one when it was sent twice."""
        return self._values.get(name)

    def warn(self, unknown: Sequence[str]) -> None:
        """Tell the client, in a header of the reply, which of its fields were ignored."""
        names = [name if _SHOWN_NAME.fullmatch(name) else "(unprintable)" for name in unknown[:_MOST_WARNED]]
        more = f" and {len(unknown) - _MOST_WARNED} more" if len(unknown) > _MOST_WARNED else ""
        self.tell(f"ignored unknown fields: {', '.join(names)}{more}")

    def tell(self, warning: str) -> None:
        """Tell the client something in a header of the reply, beside what it is told already.

        Args:
            warning: printable ASCII.
        """
        if warning not in self._warnings:
            self._warnings = (*self._warnings, warning)

    async def body(self) -> bytes:
        """The whole body, bounded in size and time."""
        timer = asyncio.get_running_loop().call_later(self.options.body_seconds, self._body_is_late)
        try:
            message = await self._receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                return self._bounded(message.get("body", b""))
            return await self._rest(message)
        finally:
            timer.cancel()

    def call(self, model: ServedModel) -> Call:
        """What this request carries to the model: its deadline, size and identity.

        Raises:
            InvalidRequest: `x-request-timeout-ms` is not a positive whole number.
        """
        self.model = model.root
        deadline = self._admission.deadline(model.root, self._timeout(), self.received)
        return Call(self.request_id, deadline, self._size)

    def count(self, prompt_tokens: int, output_tokens: int = 0) -> None:
        """Note the tokens for the access log."""
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens

    async def reply(
        self, body: bytes, status: int = 200, headers: Iterable[Header] = (), content_type: bytes = JSON
    ) -> None:
        """Send the whole answer."""
        await self.start(status, [(b"content-length", str(len(body)).encode()), *headers], content_type)
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Iterable[Header], content_type: bytes = JSON) -> None:
        """Send the status line and headers."""
        self._started = True
        self.status = status
        every = [(b"content-type", content_type), (b"x-request-id", self.request_id.encode()), *headers]
        if self._warnings:
            every.append((b"x-argosy-warning", "; ".join(self._warnings).encode()))
        if b"expect" in self._values and not self._arrived:
            # A client that waits for "100 Continue" may not send its body now; what comes next would be taken for it.
            every.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": every})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a part of an answer that `start` has begun."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def fail(self, error: ArgosyError) -> None:
        """Answer with an error, or only note it when the client has left or the answer has begun."""
        self.note(error)
        if self._started or self.status == 499:
            return
        body = self.error_body(error)
        await self.reply(body, self.status, headers_of(error, self.status), self.errors.media_type)

    def note(self, error: ArgosyError) -> None:
        """Record how the request ended, for logs and metrics."""
        self.stop_watching()
        self.status = status_of(error)
        self.error = error.code

    def error_body(self, error: ArgosyError) -> bytes:
        """The error in this route's dialect, its field named as the client names it."""
        if error.param is not None:
            error.param = self.fields.get(error.param, error.param)
        return self.errors.body(error, status_of(error), self.request_id)

    def interrupt(self, error: ArgosyError) -> None:
        """End the request with `error` wherever it stands; for watchers and the drain, not for endpoints."""
        if self._ended or self.interruption is not None or self._task is None:
            return
        self.interruption = error
        self._task.cancel()

    def take_interruption(self) -> ArgosyError | None:
        """The reason for the cancellation just caught, which is undone; None when it came from elsewhere."""
        if self.interruption is not None and self._task is not None:
            self._task.uncancel()
        return self.interruption

    def end(self) -> None:
        """The request is over; nothing may interrupt it any more."""
        self._ended = True
        self.stop_watching()

    def stop_watching(self) -> None:
        """Stop looking whether the client is there."""
        if self._watch_timer is not None:
            self._watch_timer.cancel()
        if self._watch_task is not None:
            self._watch_task.cancel()

    async def send_tagged(self, message: Message) -> None:
        """ASGI `send` for answers that others make: adds the request id and notes the status."""
        if message["type"] == "http.response.start":
            self._started = True
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.request_id.encode())]
        await self._send(message)

    async def _rest(self, message: Message) -> bytes:
        parts = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise RequestCancelled("The client left before its body was complete.")
            part = message.get("body", b"")
            size += len(part)
            if size > self.options.max_body_bytes:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await self._receive()

    def _body_is_late(self) -> None:
        self.interrupt(
            RequestTimeout(f"The body did not arrive within {self.options.body_seconds:g} s. Send it faster.")
        )

    def _bounded(self, body: bytes) -> bytes:
        if len(body) > self.options.max_body_bytes:
            raise self._too_large()
        return body

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The body is larger than this server's limit of {self.options.max_body_bytes} bytes. Send less at once."
        )

    def _timeout(self) -> float | None:
        value = self._values.get(b"x-request-timeout-ms")
        if value is None:
            return None
        if not value.isdigit() or len(value) > 12 or int(value) == 0:
            raise InvalidRequest(
                "x-request-timeout-ms must be a whole number of milliseconds above 0.", param="x-request-timeout-ms"
            )
        return int(value) / 1e3

    def _start_watching(self) -> None:
        self._watch_task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        # Once the body is complete the next message can only be the client's departure.
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.interrupt(RequestCancelled("The client left."))
