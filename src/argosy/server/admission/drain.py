"""Going away without cutting anybody off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from argosy.core.errors import ArgosyError, Draining

Interrupt = Callable[[ArgosyError], None]
"""Ends one request with an error: as its reply, or inside its stream when that has begun."""

_GRACE = 2.0


class Subject(Protocol):
    """What a request is about.

    Attributes:
        model: the runtime's name of the model it is for; empty until that is known.
    """

    model: str


class Drain:
    """Knows the requests in flight and ends them in good order.

    Use, at SIGTERM: `begin()`, then `await finish(seconds)`, then close the listener. A second SIGTERM calls
    `hurry()`.
    """

    def __init__(self) -> None:
        self._draining = False
        self._in_flight: dict[int, tuple[Interrupt, Subject | None]] = {}
        self._next = 0
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether new requests are refused."""
        return self._draining

    @property
    def in_flight(self) -> int:
        """Requests that have begun and not ended."""
        return len(self._in_flight)

    def enter(self, interrupt: Interrupt, subject: Subject | None = None) -> int:
        """Register a request.

        Args:
            interrupt: ends it.
            subject: tells which model it is for, at any time.

        Returns:
            The handle for `leave`.
        """
        self._next += 1
        self._in_flight[self._next] = (interrupt, subject)
        return self._next

    def busy(self, model: str) -> bool:
        """Whether a request for `model` is in flight."""
        return any(subject is not None and subject.model == model for _, subject in self._in_flight.values())

    def end(self, model: str, error: ArgosyError) -> None:
        """End the requests for `model` that are in flight with `error`."""
        for interrupt, subject in list(self._in_flight.values()):
            if subject is not None and subject.model == model:
                interrupt(error)

    def leave(self, handle: int) -> None:
        """The request has ended, however it did."""
        del self._in_flight[handle]
        if self._draining and not self._in_flight:
            self._idle.set()

    def begin(self) -> None:
        """Refuse new requests from now on; a second call does nothing."""
        self._draining = True
        if not self._in_flight:
            self._idle.set()

    def hurry(self) -> None:
        """Do not wait any longer: `finish` ends what is left at once. Implies `begin`."""
        self.begin()
        self._hurried.set()

    async def finish(self, seconds: float) -> int:
        """Wait until every request has ended, at most `seconds`; then end the rest with `Draining`.

        Returns:
            How many requests had to be ended. Returns at the latest 2 s after `seconds` have passed.
        """
        self.begin()
        await self._wait(seconds)
        left = list(self._in_flight.values())
        for interrupt, _ in left:
            interrupt(draining_error())
        if left:
            await _bounded(self._idle, _GRACE)
        return len(left)

    async def _wait(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._idle, self._hurried)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def draining_error() -> Draining:
    """What clients are told."""
    return Draining("This server is shutting down. Send the request again; another one will take it.", retry_after=1.0)


async def _bounded(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
