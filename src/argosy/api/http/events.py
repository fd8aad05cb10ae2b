"""Server-sent events, one JSON object each, over plain ASGI sends."""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType

from argosy.api.http.errors import internal_error
from argosy.api.http.exchange import Exchange
from argosy.core.errors import ArgosyError, RequestCancelled

_LOG = logging.getLogger(__name__)
_HEADERS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_CONTENT_TYPE = b"text/event-stream; charset=utf-8"
_FAREWELL_SECONDS = 1.0

DONE = b"data: [DONE]\n\n"
_PING = b": keep-alive\n\n"


class EventStream:
    """An open event stream; entering it sends the 200.

    Await the first event's content before entering, so that early failures are plain error replies. Once entered:

    * a failure becomes one event with the error, and the stream ends without `[DONE]`;
    * a client that leaves, or reads nothing for `send_seconds`, ends the block's work at once;
    * silence of `keep_alive_seconds` is broken by a comment.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._options = exchange.options
        self._last = time.monotonic()
        self._sending: float | None = None
        self._pulse: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EventStream:
        await self._exchange.start(200, _HEADERS, _CONTENT_TYPE)
        self._pulse = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._stop_pulse()
        if error is None:
            await self._exchange.write(b"", more=False)
            return False
        reason = self._reason(error)
        if reason is None:
            return False
        self._exchange.note(reason)
        if not isinstance(reason, RequestCancelled):
            await self._farewell(reason)
        return True

    async def send(self, events: bytes) -> None:
        """Send complete events, their blank lines included; returns once there is room for more."""
        self._sending = time.monotonic()
        try:
            await self._exchange.write(events)
        finally:
            self._sending = None
        self._last = time.monotonic()

    def _reason(self, error: BaseException) -> ArgosyError | None:
        if isinstance(error, asyncio.CancelledError):
            return self._exchange.take_interruption()
        if isinstance(error, ArgosyError):
            return error
        if isinstance(error, Exception):
            _LOG.error("Stream %s failed unexpectedly.", self._exchange.request_id, exc_info=error)
            return internal_error()
        return None

    async def _farewell(self, error: ArgosyError) -> None:
        event = b"data: " + self._exchange.error_body(error) + b"\n\n"
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._exchange.write(event)
                await self._exchange.write(b"", more=False)
        except TimeoutError:
            _LOG.debug("The client of stream %s does not read its error.", self._exchange.request_id)

    async def _beat(self) -> None:
        """Watch the stream from beside: one timer for its whole life instead of one for each event."""
        options = self._options
        tick = min(options.keep_alive_seconds, options.send_seconds) / 4
        while True:
            await asyncio.sleep(tick)
            now = time.monotonic()
            if self._sending is not None:
                if now - self._sending >= options.send_seconds:
                    self._exchange.interrupt(RequestCancelled("The client stopped reading."))
                    return
            elif now - self._last >= options.keep_alive_seconds:
                self._last = now
                await self.send(_PING)

    def _stop_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
