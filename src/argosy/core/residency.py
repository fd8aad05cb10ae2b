"""Whether a model is in memory, as values that cross processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

LOAD_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the histogram of loads, seconds."""


class ResidenceState(StrEnum):
    """Where one model stands on its way into memory and out of it.

    unloaded → loading → resident → draining → unloaded, and failed when a load did not succeed. Only a resident model
    is given requests; whether it answers is the runtime's status to say.
    """

    UNLOADED = "unloaded"
    LOADING = "loading"
    RESIDENT = "resident"
    DRAINING = "draining"
    FAILED = "failed"


class EvictionReason(StrEnum):
    """Why a model was taken out of memory."""

    ROOM = "room"
    IDLE = "idle"
    GROWTH = "growth"


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened to one model since the server started.

    Attributes:
        loaded, failed: how its loads ended.
        evicted: how often it was taken out, by reason.
        seconds: loads by duration, one count for each bound of `LOAD_SECONDS` and one for longer ones; not cumulative.
        seconds_sum: of all loads that succeeded.
    """

    loaded: int = 0
    failed: int = 0
    evicted: Mapping[str, int] = field(default_factory=dict)
    seconds: tuple[int, ...] = (0,) * (len(LOAD_SECONDS) + 1)
    seconds_sum: float = 0.0


@dataclass(frozen=True, slots=True)
class Residence:
    """One model's place in memory.

    Attributes:
        size: bytes that count against the budget: the larger of `estimated` and `measured`.
        estimated: bytes, from the files on disk.
        measured: bytes of the model's processes, the most that was seen; 0 before its first load.
        reason: why it is not resident, or what its load waits for, in words.
        retry_after: seconds after which a failed load is tried again.
        failures: grows with every load that failed or was refused; tells a new failure from an old one.
        load_seconds: what the last load took; 0 before the first.
    """

    name: str
    state: ResidenceState
    size: int = 0
    estimated: int = 0
    measured: int = 0
    pinned: bool = False
    reason: str = ""
    retry_after: float = 0.0
    failures: int = 0
    load_seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Residence:
        """The inverse of `to_mapping`."""
        tally = Tally(**{**data["tally"], "seconds": tuple(data["tally"]["seconds"])})
        return cls(**{**data, "state": ResidenceState(data["state"]), "tally": tally})


@dataclass(frozen=True, slots=True)
class Lease:
    """What one gateway worker does with one model.

    Attributes:
        active: requests that hold a slot: the model must stay while there is one.
        waiting: requests that wait for the model to be loaded.
        idle: seconds since the worker last saw a request hold a slot; 0 while one does.
    """

    active: int = 0
    waiting: int = 0
    idle: float = 0.0
