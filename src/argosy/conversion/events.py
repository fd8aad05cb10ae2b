"""What a conversion tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a step stands."""

    STARTED = "started"
    FINISHED = "finished"
    REUSED = "reused"
    FAILED = "failed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Event:
    """One step changed.

    Attributes:
        step: its name, such as `build-int8`.
        index: how many steps came before it.
        total: steps in all, as far as is known.
        seconds: wall time it took; 0 while it runs.
        message: what went wrong, or a figure worth showing.
    """

    step: str
    phase: Phase
    index: int
    total: int
    seconds: float = 0.0
    message: str = ""


Observe = Callable[[Event], None]
"""Called from the event loop's thread; must be fast and must not raise."""
