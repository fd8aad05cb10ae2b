"""Keeps in memory the models that are used, within a budget: the supervisor's side.

The workers hold the leases: a request at work holds a slot of its model. An eviction first tells every worker to admit
no more requests (they wait in the model's queue), waits until each has said that none is at work, and only then has
the runtime unload. Requests that waited meanwhile make the model load again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from argosy.core.deadline import Deadline
from argosy.core.errors import ModelLoadFailed, ModelNotReady, RuntimeFailure
from argosy.core.memory import in_words
from argosy.core.residency import Residence, ResidenceState
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.server.control.residency.eviction import (
    Evict,
    EvictionOptions,
    Load,
    Refuse,
    Resident,
    Wait,
    Wanted,
    decide,
)
from argosy.server.control.residency.footprint import estimate
from argosy.server.control.residency.leases import Leases
from argosy.server.control.residency.movement import Audience, Host, Movement
from argosy.server.control.residency.record import Record, total
from argosy.store.entries import ModelEntry

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.5
_REFUSED_SECONDS = 5.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ResidencyOptions:
    """How models come and go.

    Attributes:
        on_demand: load a model when a request asks for it. Otherwise everything stays loaded as if it was pinned, and
            the budget only refuses what does not fit.
        pinned: names of models that are loaded at the start and stay.
        policy: budget and times.
        wait: seconds that a load may wait for room.
        measure: seconds between two looks at what the models take.
    """

    on_demand: bool = False
    pinned: frozenset[str] = frozenset()
    policy: EvictionOptions = field(default_factory=EvictionOptions)
    wait: float = 60.0
    measure: float = 10.0


class Residency:
    """Loads and evicts, one model at a time.

    Guarantees: a model is unloaded only after every worker has confirmed that no request of it is at work and that no
    new one begins, unless an operator unloads it; requests for one model make one load; a load that failed is not
    tried again before its backoff has passed; a load begins only when the models in memory and the new one together
    count for no more than the budget.

    Args:
        host: the runtime, which somebody else starts and stops.
        audience, leases: the gateway workers and what they do.
        footprint: bytes that a model will take, before it is loaded.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        host: Host,
        audience: Audience,
        leases: Leases,
        options: ResidencyOptions,
        *,
        footprint: Callable[[ModelEntry], int] = estimate,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._footprint = footprint
        self._host = host
        self._leases = leases
        self._options = options
        self._clock = clock
        self._movement = Movement(host, audience, options.wait, clock)
        self._records: dict[str, Record] = {}
        self._woken = asyncio.Event()
        self._lock = asyncio.Lock()
        self._measured_at = -math.inf
        self._task: asyncio.Task[None] | None = None
        leases.subscribe(self._woken.set)

    @property
    def status(self) -> RuntimeStatus:
        """The runtime's newest snapshot."""
        return self._host.status

    @property
    def on_demand(self) -> bool:
        """Whether models are loaded when they are asked for."""
        return self._options.on_demand

    @property
    def budget(self) -> int:
        """Bytes for all models together; 0 means any number."""
        return self._options.policy.budget

    def residences(self) -> tuple[Residence, ...]:
        """How every known model stands."""
        now = self._clock()
        return tuple(record.told(now) for record in self._records.values())

    def residence(self, name: str) -> Residence | None:
        """How one model stands; None when it is not known."""
        record = self._records.get(name)
        return record.told(self._clock()) if record is not None else None

    def know(self, entries: Iterable[ModelEntry]) -> None:
        """The models of the start; the pinned ones are the runtime's to load by itself."""
        for entry in entries:
            record = self._records[entry.name] = self._record(entry)
            if record.pinned:
                record.state, record.since = ResidenceState.RESIDENT, self._clock()

    def forget(self, name: str) -> None:
        """A model is served no longer; `unload` is still to be called."""
        self._records.pop(name, None)

    def on_status(self, _status: RuntimeStatus) -> None:
        """The runtime's state has changed."""
        self._woken.set()

    async def start(self, announce: Callable[[], int]) -> None:
        """Begin.

        Args:
            announce: tells the workers how the models stand and returns the revision that says so.
        """
        self._movement.announce = announce
        self._task = asyncio.create_task(self._run(), name="residency")

    async def stop(self) -> None:
        """Load and evict no more; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Load a model by order, making room first; also a new form of one in memory, beside the former.

        Raises:
            ModelLoadFailed: it is larger than the whole budget.
            ModelNotReady: no room could be made; has the numbers.
            RuntimeFailure: the runtime is not up.
        """
        async with self._lock:
            await self._make_room(entry)
            known = self._records.get(entry.name)
            record = known or self._record(entry)
            former, record.entry = record.entry, entry
            self._records[entry.name] = record
            try:
                status = await self._movement.load(record, keep_failed=not self.on_demand)
            except BaseException:
                self._take_back(record, former, known=known is not None)
                raise
            if status.state is ModelState.READY:
                record.estimated = self._footprint(entry)
            else:
                self._take_back(record, former, known=known is not None)
            return status

    async def unload(self, name: str) -> None:
        """Have the runtime let a model go by order.

        Raises:
            RuntimeFailure: the runtime did not answer.
            UnsupportedParameter: it takes no such orders.
        """
        async with self._lock:
            await self._host.unload(name)
            if (record := self._records.get(name)) is not None and record.in_memory:
                record.evicted(None)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                async with self._lock:
                    pause = await self._step()
            except Exception:
                # A defect must not end what makes every model load.
                log.exception("The models in memory could not be looked after")
                pause = _AGAIN_SECONDS
            if pause > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(pause, self._options.measure)):
                        await self._woken.wait()

    async def _step(self) -> float:
        """Do the next thing; seconds until there may be another."""
        if self._clock() - self._measured_at >= self._options.measure:
            self._measured_at = self._clock()
            await self._movement.measure(self._records.values())
        if not self.on_demand:
            self._follow_repairs()
        if not self.on_demand or self._host.status.state is not RuntimeState.READY:
            return math.inf
        await self._give_up_failed()
        match decide(self._residents(), self._wanted(), self._options.policy):
            case Load(name):
                return await self._load_wanted(self._records[name])
            case Evict(names, reason):
                await self._movement.evict([self._records[name] for name in names], reason)
            case Refuse(name, reason):
                self._refuse(self._records[name], reason)
            case Wait(seconds):
                self._explain()
                return min(seconds, self._next_change())
        return 0.0

    def _residents(self) -> list[Resident]:
        now = self._clock()
        return [
            Resident(
                record.name,
                record.size,
                active=self._leases.active(record.name),
                idle=now - max(record.since, self._leases.last_used(record.name)),
                age=now - record.since,
                pinned=record.pinned,
                held=now < record.held_until,
                parent=record.entry.spec.parent,
            )
            for record in self._records.values()
            if record.in_memory
        ]

    def _wanted(self) -> list[Wanted]:
        """Pinned models that are not there, then those that requests wait for."""
        now = self._clock()
        missing = [record for record in self._records.values() if record.pinned]
        waiting = [self._records[name] for name in self._leases.waiting() if name in self._records]
        return [
            Wanted(record.name, record.size, pinned=record.pinned)
            for record in {record.name: record for record in (*missing, *waiting)}.values()
            if not record.in_memory and now >= record.retry_at
        ]

    async def _load_wanted(self, record: Record) -> float:
        try:
            await self._movement.load(record, keep_failed=False)
        except RuntimeFailure as error:
            # The runtime heals by itself; those who wait go on waiting.
            log.info("%s waits for the runtime: %s", record.name, error.message)
            return _AGAIN_SECONDS
        return 0.0

    def _follow_repairs(self) -> None:
        """What the runtime keeps trying to load by itself may be there in the end."""
        for record in self._records.values():
            if record.state is ResidenceState.FAILED and self._movement.answers(record.name):
                record.state, record.since = ResidenceState.RESIDENT, self._clock()

    async def _give_up_failed(self) -> None:
        """A model that did not come back after a repair of the runtime waits for its next request."""
        for record in list(self._records.values()):
            status = self._host.status.models.get(record.name)
            if record.in_memory and status is not None and status.state is ModelState.FAILED:
                with contextlib.suppress(RuntimeFailure):
                    await self._host.unload(record.name)
                record.failed(self._clock(), status.reason)
                self._movement.announce()

    def _refuse(self, record: Record, reason: str) -> None:
        log.warning("%s is not loaded: %s", record.name, reason)
        record.refused(self._clock(), reason, _REFUSED_SECONDS)
        self._movement.announce()

    def _explain(self) -> None:
        """Tell the workers what the waiting models wait for."""
        taken = in_words(total(self._records.values()))
        changed = False
        for want in self._wanted():
            record = self._records[want.name]
            reason = (
                f"it waits for room: it needs {in_words(want.size)}, and {taken} of {in_words(self.budget)} are taken "
                "by models that are pinned or at work"
            )
            changed |= record.reason != reason
            record.reason = reason
        if changed:
            self._movement.announce()

    async def _make_room(self, entry: ModelEntry) -> None:
        """Evict until `entry` fits beside what is in memory."""
        if not self.budget:
            return
        want = Wanted(entry.name, self._footprint(entry), pinned=self._pinned(entry))
        if want.size > self.budget:
            raise ModelLoadFailed(
                f"Model '{entry.name}' needs {in_words(want.size)} of memory; the budget (--memory-budget) is "
                f"{in_words(self.budget)}.",
                param="model",
            )
        reason = await self._find_room(want)
        if reason:
            raise ModelNotReady(f"Model '{entry.name}' is not loaded: {reason}.", param="model", retry_after=5.0)

    async def _find_room(self, want: Wanted) -> str:
        """Make room; why it could not be made, or empty."""
        deadline = Deadline.after(self._options.wait)
        while not deadline.passed:
            match decide(self._residents(), [want], self._options.policy):
                case Load():
                    return ""
                case Evict(names, why):
                    await self._movement.evict([self._records[name] for name in names], why)
                case Refuse(_, reason):
                    return reason
                case Wait():
                    await asyncio.sleep(_LOOK_SECONDS)
        return f"it needs {in_words(want.size)}, and the models in memory were at work for {self._options.wait:g} s"

    def _pinned(self, entry: ModelEntry) -> bool:
        return not self.on_demand or not {entry.name, entry.spec.parent}.isdisjoint(self._options.pinned)

    def _record(self, entry: ModelEntry) -> Record:
        return Record(entry, self._footprint(entry), self._pinned(entry))

    def _take_back(self, record: Record, former: ModelEntry, *, known: bool) -> None:
        record.entry = former
        if not known:
            self._records.pop(record.name, None)

    def _next_change(self) -> float:
        """Seconds until a failed load may be tried again, or a model may be asked again to leave."""
        now = self._clock()
        times = [at for record in self._records.values() for at in (record.retry_at, record.held_until)]
        return min((at - now for at in times if at > now), default=math.inf)
