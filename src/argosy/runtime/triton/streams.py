"""gRPC streams that are used again: each carries one request at a time.

Opening a stream costs more than a short answer does, and a stream that is reset after its last answer can meet
Triton 2.51 while it frees the request. So a stream whose request ended well is kept for the next one; only a request
that is left early resets its stream, which is what cancels it in the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

_MOST_IDLE = 256


class Reusable(Protocol):
    """What the pool looks at."""

    def done(self) -> bool:
        """Whether nothing more can come."""
        ...

    def cancel(self) -> None:
        """Reset it."""


Call = TypeVar("Call", bound=Reusable)


class StreamPool(Generic[Call]):
    """Idle streams of one connection, each kept for the model that it has served.

    Triton 2.51 cannot unload a model while a stream that carried its requests is open, even when the stream has carried
    another model's since: a model would stay for as long as another one's answer takes.

    Args:
        open_stream: opens a new one.
    """

    __slots__ = ("_closed", "_count", "_idle", "_open")

    def __init__(self, open_stream: Callable[[], Awaitable[Call]]) -> None:
        self._open = open_stream
        self._idle: dict[str, list[Call]] = {}
        self._count = 0
        self._closed = False

    async def take(self, model: str) -> Call:
        """A stream that carries nothing now, for a request to `model`."""
        idle = self._idle.get(model)
        while idle:
            call = idle.pop()
            self._count -= 1
            if not call.done():
                return call
        return await self._open()

    def give_back(self, model: str, call: Call) -> None:
        """The stream's request to `model` has had its final answer."""
        if self._closed or self._count >= _MOST_IDLE:
            call.cancel()
        else:
            self._idle.setdefault(model, []).append(call)
            self._count += 1

    def take_idle(self) -> list[Call]:
        """Every stream that is kept; none is from now on until the next comes back."""
        idle, self._idle, self._count = self._idle, {}, 0
        return [call for calls in idle.values() for call in calls if not call.done()]

    def close(self) -> None:
        """Keep nothing any more; idempotent. The streams end with their channel."""
        self._closed = True
        self._idle.clear()
        self._count = 0
