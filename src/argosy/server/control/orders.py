"""Orders to load or unload: for one model one after another, and the last one decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from argosy.core.errors import Unavailable

_GOING = "This server is going away."


class Verb(StrEnum):
    """What is to become of a model."""

    LOAD = "load"
    UNLOAD = "unload"


@dataclass(slots=True)
class _Order:
    verb: Verb
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Line:
    """The orders for one model: the one under way and the one after it."""

    running: _Order | None = None
    waiting: _Order | None = None


class Orders:
    """Carries orders out.

    Guarantees: never two at once for one model; of those that wait for one model only the newest is carried out, so
    that the model ends as the last order said; an order equal to the waiting one shares its outcome; an order that
    was overtaken by its opposite ends with `Unavailable`. An order stands when nobody waits for it any more.

    Args:
        carry_out: does it; its errors are those of the order.
    """

    def __init__(self, carry_out: Callable[[Verb, str], Awaitable[None]]) -> None:
        self._carry_out = carry_out
        self._lines: dict[str, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def under_way(self, name: str) -> Verb | None:
        """What is being done to a model right now."""
        line = self._lines.get(name)
        return line.running.verb if line is not None and line.running is not None else None

    async def give(self, verb: Verb, name: str) -> None:
        """Have an order carried out; returns once it is.

        Raises:
            Unavailable: a newer order overtook it, or no order is taken any more.
            ArgosyError: whatever carrying it out raised.
        """
        if self._stopped:
            raise Unavailable(_GOING, retry_after=1.0)
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line()
            task = asyncio.create_task(self._work(name, line), name=f"orders for {name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if line.waiting is not None and line.waiting.verb is not verb:
            overtaken = Unavailable(f"A newer order to {verb} '{name}' came first.", param="model", retry_after=1.0)
            line.waiting.done.set_exception(overtaken)
            line.waiting = None
        if line.waiting is None:
            line.waiting = _Order(verb, asyncio.get_running_loop().create_future())
            line.waiting.done.add_done_callback(_retrieve)
        await asyncio.shield(line.waiting.done)

    async def stop(self) -> None:
        """Give up what is under way and what waits, and take nothing more; idempotent."""
        self._stopped = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, name: str, line: _Line) -> None:
        try:
            while line.waiting is not None:
                order, line.waiting = line.waiting, None
                line.running = order
                try:
                    await self._carry_out(order.verb, name)
                except Exception as error:  # noqa: BLE001 - handed to whoever gave the order
                    order.done.set_exception(error)
                else:
                    order.done.set_result(None)
                line.running = None
        finally:
            del self._lines[name]
            for left in (line.running, line.waiting):
                if left is not None and not left.done.done():
                    left.done.set_exception(Unavailable(_GOING, retry_after=1.0))


def _retrieve(done: asyncio.Future[None]) -> None:
    """An outcome that nobody waits for is no defect."""
    if not done.cancelled():
        done.exception()
