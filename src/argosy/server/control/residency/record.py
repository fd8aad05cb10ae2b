"""What is known about one model's place in memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from argosy.core.residency import LOAD_SECONDS, EvictionReason, Residence, ResidenceState, Tally
from argosy.store.entries import ModelEntry

_FIRST_BACKOFF = 1.0
_LONGEST_BACKOFF = 60.0
IN_MEMORY = frozenset({ResidenceState.RESIDENT, ResidenceState.DRAINING})


@dataclass(slots=True)
class Record:
    """One known model.

    Attributes:
        estimated, measured: bytes; see `Residence`.
        since: when it became resident, on the monotonic clock.
        retry_at: when a failed load may be tried again, on the monotonic clock.
        held_until: when it may be asked to leave again, on the monotonic clock.
        stayed: how often in a row it could not leave.
        backoff: seconds until the load after the last failed one.
        failures: see `Residence`.
    """

    entry: ModelEntry
    estimated: int
    pinned: bool
    state: ResidenceState = ResidenceState.UNLOADED
    measured: int = 0
    reason: str = ""
    since: float = 0.0
    retry_at: float = 0.0
    held_until: float = 0.0
    stayed: int = 0
    backoff: float = 0.0
    failures: int = 0
    load_seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.entry.name

    @property
    def size(self) -> int:
        """Bytes it counts for."""
        return max(self.estimated, self.measured)

    @property
    def in_memory(self) -> bool:
        """Whether its processes are there and answer."""
        return self.state in IN_MEMORY

    def loaded(self, now: float, seconds: float) -> None:
        """A load has succeeded."""
        self.state, self.reason, self.since = ResidenceState.RESIDENT, "", now
        self.backoff = self.retry_at = 0.0
        self.stayed, self.held_until = 0, 0.0
        self.load_seconds = seconds
        counts = list(self.tally.seconds)
        counts[bisect_left(LOAD_SECONDS, seconds)] += 1
        total = self.tally.seconds_sum + seconds
        self.tally = replace(self.tally, loaded=self.tally.loaded + 1, seconds=tuple(counts), seconds_sum=total)

    def failed(self, now: float, reason: str) -> None:
        """A load has failed; the next one waits longer than this one did."""
        self.backoff = min(_LONGEST_BACKOFF, self.backoff * 2 or _FIRST_BACKOFF)
        self.refused(now, reason, self.backoff)
        self.tally = replace(self.tally, failed=self.tally.failed + 1)

    def refused(self, now: float, reason: str, seconds: float) -> None:
        """It is not loaded, and nobody tries for so many seconds."""
        self.state, self.reason, self.retry_at = ResidenceState.FAILED, reason, now + seconds
        self.failures += 1

    def stays(self, now: float, seconds: float) -> None:
        """It could not leave: its requests did not end."""
        self.state, self.held_until = ResidenceState.RESIDENT, now + seconds
        self.stayed += 1

    def evicted(self, reason: EvictionReason | None) -> None:
        """Its processes are gone."""
        self.state, self.reason, self.stayed = ResidenceState.UNLOADED, "", 0
        if reason is not None:
            evicted = {**self.tally.evicted, reason.value: self.tally.evicted.get(reason.value, 0) + 1}
            self.tally = replace(self.tally, evicted=evicted)

    def told(self, now: float) -> Residence:
        """What workers are told."""
        return Residence(
            self.name,
            self.state,
            size=self.size,
            estimated=self.estimated,
            measured=self.measured,
            pinned=self.pinned,
            reason=self.reason,
            retry_after=max(0.0, self.retry_at - now) if self.state is ResidenceState.FAILED else 0.0,
            failures=self.failures,
            load_seconds=self.load_seconds,
            tally=self.tally,
        )


def total(records: Iterable[Record]) -> int:
    """Bytes that the models in memory count for."""
    return sum(record.size for record in records if record.in_memory)
