"""gRPC streams that are used again: each carries one request at a time.

Opening a stream costs more than a short answer does, and a stream that is reset after its last answer can meet
Triton 2.51 while it frees the request. So a stream whose request ended well is kept for the next one; only a request
that is left early resets its stream, which is what cancels it in the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MOST_IDLE = 256


class StreamPool:
    """Idle streams of one connection.

    Args:
        open_stream: opens a new one.
    """

    __slots__ = ("_closed", "_idle", "_open")

    def __init__(self, open_stream: Callable[[], Any]) -> None:
        self._open = open_stream
        self._idle: list[Any] = []
        self._closed = False

    def take(self) -> Any:
        """A stream that carries nothing now."""
        while self._idle:
            call = self._idle.pop()
            if not call.done():
                return call
        return self._open()

    def give_back(self, call: Any) -> None:
        """The stream's request has had its final answer."""
        if self._closed or len(self._idle) >= _MOST_IDLE:
            call.cancel()
        else:
            self._idle.append(call)

    def close(self) -> None:
        """Keep nothing any more; idempotent. The streams end with their channel."""
        self._closed = True
        self._idle.clear()
