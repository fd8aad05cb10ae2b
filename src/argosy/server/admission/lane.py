"""The bounded queue in front of one model's engine slots."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, DeadlineExceeded, Overloaded
from argosy.telemetry.metrics import ModelMetrics

_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one model this process may use.

    Attributes:
        slots: engine calls in flight.
        queue: requests waiting for a slot; more are refused at once.
        queue_bytes: sum of the waiting requests' body sizes.
        max_timeout: longest deadline a request may ask for, and the one it gets when it asks for none, seconds.
    """

    slots: int = 128
    queue: int = 512
    queue_bytes: int = 64 << 20
    max_timeout: float = 600.0

    def share(self, workers: int) -> Limits:
        """The part of one of `workers` equal processes, rounded up so that every one can serve."""
        return replace(
            self,
            slots=-(-self.slots // workers),
            queue=-(-self.queue // workers),
            queue_bytes=-(-self.queue_bytes // workers),
        )


class Ticket:
    """Slots held by one request; `release` gives them back, once."""

    __slots__ = ("_lane", "_since", "slots")

    def __init__(self, lane: Lane, slots: int) -> None:
        self._lane: Lane | None = lane
        self._since = time.monotonic()
        self.slots = slots

    def release(self) -> None:
        """Give the slots back; idempotent."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.give_back(self.slots, time.monotonic() - self._since)


class _Waiter:
    __slots__ = ("future", "since", "size", "slots")

    def __init__(self, slots: int, size: int, future: asyncio.Future[None]) -> None:
        self.slots = slots
        self.size = size
        self.future = future
        self.since = time.monotonic()


class Lane:
    """First in, first out; never longer than its limits.

    Guarantees: a request that cannot be queued is refused at once; one whose deadline passes, or whose task is
    cancelled, while it waits is never given a slot; slots given are given back exactly once; while the lane is shut no
    slot is given.

    Attributes:
        given: slots given so far; tells whether the lane was used since an earlier look.
    """

    def __init__(self, limits: Limits, metrics: ModelMetrics) -> None:
        self.limits = limits
        self._metrics = metrics
        metrics.call_limit.set(limits.slots)
        self._used = 0
        self._queue: deque[_Waiter] = deque()
        self._queued_bytes = 0
        self._service = 0.05
        self._shut_at = 0.0
        self._shut = False
        self.given = 0

    @property
    def shut(self) -> bool:
        """Whether everybody has to wait."""
        return self._shut

    @property
    def used(self) -> int:
        """Slots given out."""
        return self._used

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def enter(self, deadline: Deadline, size: int, slots: int = 1) -> Ticket:
        """Take slots, waiting for them in order.

        Args:
            deadline: how long to wait at most.
            size: bytes the request keeps in memory while it waits.
            slots: engine calls the request would like in flight at once; it gets at most the lane's own number.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: the deadline passed before a slot was free.
            ArgosyError: whatever it was turned away with.
        """
        wanted = min(slots, self.limits.slots)
        if not self._queue and not self._shut and self._used + wanted <= self.limits.slots:
            self._take(wanted)
        else:
            await self._wait(wanted, size, deadline)
        return Ticket(self, wanted)

    def close(self) -> None:
        """Let everybody wait from now on; slots given stay given. Idempotent."""
        if not self._shut:
            self._shut, self._shut_at = True, time.monotonic()

    def open(self) -> None:
        """Give slots again; idempotent."""
        self._shut = False
        self._advance()

    def turn_away(self, error: Callable[[], ArgosyError], waited: float = 0.0) -> None:
        """End the wait of those who have waited so many seconds, or since the lane was closed, with an error each."""
        before = time.monotonic() - waited
        for waiter in [each for each in self._queue if max(each.since, self._shut_at) <= before]:
            if not waiter.future.done():
                waiter.future.set_exception(error())
                self._metrics.turned_away.inc()
                # At once: whoever counts those that wait must not count these.
                self._queue.remove(waiter)
                self._forget(waiter)

    def give_back(self, slots: int, held: float) -> None:
        """Slots are free again after `held` seconds; the queue moves on."""
        self._used -= slots
        self._metrics.calls.dec(slots)
        self._service += _SMOOTHING * (held - self._service)
        self._advance()

    def _take(self, slots: int) -> None:
        self._used += slots
        self.given += slots
        self._metrics.calls.inc(slots)

    async def _wait(self, slots: int, size: int, deadline: Deadline) -> None:
        if len(self._queue) >= self.limits.queue or self._queued_bytes + size > self.limits.queue_bytes:
            self._metrics.overloaded.inc()
            raise Overloaded("Too many requests are waiting for this model.", retry_after=self._estimate())
        loop = asyncio.get_running_loop()
        waiter = _Waiter(slots, size, loop.create_future())
        self._queue.append(waiter)
        self._queued_bytes += size
        self._metrics.queue_depth.inc()
        since = time.monotonic()
        timer = loop.call_later(min(deadline.remaining, self.limits.max_timeout), _expire, waiter.future)
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                # The slot was given in the same turn in which the task was cancelled.
                self._leave_with_slot(waiter)
            else:
                self._drop(waiter)
            raise
        except DeadlineExceeded:
            self._drop(waiter)
            self._metrics.expired.inc()
            raise
        except ArgosyError:
            self._drop(waiter)
            raise
        finally:
            timer.cancel()
            self._metrics.queue_seconds.observe(time.monotonic() - since)

    def _leave_with_slot(self, waiter: _Waiter) -> None:
        self._used -= waiter.slots
        self._metrics.calls.dec(waiter.slots)
        self._advance()

    def _drop(self, waiter: _Waiter) -> None:
        try:
            self._queue.remove(waiter)
        except ValueError:
            return
        self._forget(waiter)
        self._advance()

    def _advance(self) -> None:
        while self._queue and not self._shut:
            head = self._queue[0]
            if not head.future.done():
                if self._used + head.slots > self.limits.slots:
                    return
                self._take(head.slots)
                head.future.set_result(None)
            self._queue.popleft()
            self._forget(head)

    def _forget(self, waiter: _Waiter) -> None:
        self._queued_bytes -= waiter.size
        self._metrics.queue_depth.dec()

    def _estimate(self) -> float:
        """Seconds until the queue as it stands has been served."""
        return min(30.0, max(1.0, self._service * (len(self._queue) + 1) / self.limits.slots))


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(
            DeadlineExceeded(
                "The deadline passed while the request waited for a free slot. "
                "Raise x-request-timeout-ms or send fewer requests at once."
            )
        )
