"""What a fetch tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What has just happened."""

    RESOLVE = "resolve"
    FILE = "file"
    PROGRESS = "progress"
    RETRY = "retry"
    WAIT = "wait"
    FILE_DONE = "file-done"
    UNPACK = "unpack"
    BUILD = "build"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Event:
    """One step.

    Attributes:
        source: as `str(reference)` writes it.
        file: path in the source; empty when the step is about the whole.
        done: bytes there are; of the file, or of the whole.
        total: bytes there will be; 0 when unknown.
        message: for people; empty when the step says it all.
    """

    step: Step
    source: str
    file: str = ""
    done: int = 0
    total: int = 0
    message: str = ""


Listener = Callable[[Event], None]
"""Called from several threads, for one event at a time each."""


def quiet(event: Event) -> None:
    """Listens to nothing."""
    del event
