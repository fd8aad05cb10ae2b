"""Bringing one model into memory and out of it in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from argosy.core.errors import RuntimeFailure
from argosy.core.memory import in_words
from argosy.core.residency import EvictionReason, ResidenceState
from argosy.core.status import ModelState, ModelStatus, RuntimeStatus
from argosy.server.control.messages import Progress
from argosy.server.control.residency.record import Record
from argosy.store.entries import ModelEntry

log = logging.getLogger(__name__)

_FIRST_TURN = 5.0


class Host(Protocol):
    """The part of a runtime that loads; see `argosy.runtime.contract.RuntimeProcess`."""

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        ...

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Want one more model, or a new form of one."""
        ...

    async def unload(self, name: str) -> None:
        """Want a model no longer."""

    def memory(self) -> Mapping[str, int]:
        """Bytes that each model's processes take now; may block for milliseconds."""
        ...


class Audience(Protocol):
    """The gateway workers; see `argosy.server.control.link.StatusPublisher`."""

    async def reached(self, goal: Callable[[Progress], bool], seconds: float) -> bool:
        """Wait until `goal` holds for every worker."""
        ...


class Movement:
    """Tells the workers, then has the runtime do it. One movement at a time; the caller sees to that.

    Args:
        host: the runtime.
        audience: the gateway workers.
        longest_turn: seconds that requests at work get, at the most, to let their model go.
        clock: seconds, monotonic.

    Attributes:
        announce: tells the workers how the models stand and returns the revision that says so.
    """

    def __init__(
        self, host: Host, audience: Audience, longest_turn: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = host
        self._audience = audience
        self._longest_turn = longest_turn
        self._clock = clock
        self.announce: Callable[[], int] = lambda: 0

    async def load(self, record: Record, *, keep_failed: bool) -> ModelStatus:
        """Load a model, for which there is room, and measure it.

        Args:
            record: of the model; tells how it stands afterwards.
            keep_failed: leave a model that did not load to the runtime, which tries again with its next repair.

        Raises:
            RuntimeFailure: the runtime is not up; nothing has changed.
        """
        former = record.state
        if not record.in_memory:
            record.state, record.reason = ResidenceState.LOADING, ""
            self.announce()
        began = self._clock()
        try:
            status = await self._host.load(record.entry)
            if status.state is not ModelState.READY and not keep_failed:
                status = await self._give_up(record.name, status)
        except BaseException:
            record.state = former
            raise
        now = self._clock()
        if status.state is ModelState.READY:
            record.loaded(now, now - began)
            await self.measure([record])
            log.info("%s is in memory after %.1f s: %s", record.name, now - began, in_words(record.size))
        elif not self.answers(record.name):
            record.failed(now, status.reason)
        self.announce()
        return status

    async def evict(self, records: Sequence[Record], reason: EvictionReason) -> bool:
        """Let models go together once nobody uses them; whether they went."""
        names = ", ".join(record.name for record in records)
        if not await self._drain(records):
            log.info("%s stays in memory: requests are at work.", names)
            return False
        for record in records:
            try:
                await self._host.unload(record.name)
            except RuntimeFailure as error:
                # It is wanted no longer, so that the healed runtime comes without it.
                log.warning("%s could not be unloaded in good order: %s", record.name, error.message)
            record.evicted(reason)
        log.info("%s left memory (%s)", names, reason)
        self.announce()
        return True

    async def measure(self, records: Iterable[Record]) -> None:
        """Remember the most that each was seen to take."""
        sizes = await asyncio.to_thread(self._host.memory)
        for record in records:
            record.measured = max(record.measured, sizes.get(record.name, 0))

    def answers(self, name: str) -> bool:
        """Whether the runtime has a form of the model that takes requests."""
        status = self._host.status.models.get(name)
        return status is not None and status.state is ModelState.READY

    async def _give_up(self, name: str, status: ModelStatus) -> ModelStatus:
        """A load that did not succeed is not the runtime's to repeat: the others could go down with it again."""
        if self.answers(name):
            return status
        with contextlib.suppress(RuntimeFailure):
            await self._host.unload(name)
        if status.state is ModelState.FAILED:
            return status
        return ModelStatus(name, ModelState.FAILED, f"the runtime failed while it loaded: {status.reason}")

    async def _drain(self, records: Sequence[Record]) -> bool:
        """Have every worker admit nothing more, and wait for what is at work; else everything is as before."""
        for record in records:
            record.state = ResidenceState.DRAINING
        revision = self.announce()
        # Long requests, which are many on a model that could not leave before, get longer.
        turn = min(self._longest_turn, _FIRST_TURN * 2 ** max(record.stayed for record in records))
        names = frozenset(record.name for record in records)

        def drained(progress: Progress) -> bool:
            return progress.in_force >= revision and names.isdisjoint(progress.busy)

        try:
            if await self._audience.reached(drained, turn):
                return True
        except BaseException:
            self._keep(records, 0.0)
            raise
        self._keep(records, turn)
        return False

    def _keep(self, records: Sequence[Record], seconds: float) -> None:
        for record in records:
            record.stays(self._clock(), seconds)
        self.announce()
