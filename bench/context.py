"""What every measurement is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "models"
RESULTS = ROOT / "bench" / "results"
WORK = ROOT / ".work" / "bench"


@dataclass(frozen=True, slots=True)
class Context:
    """How to measure.

    Attributes:
        seconds: length of one load.
        rounds: how often baseline and subject take turns; medians are taken over the rounds.
        directory: scratch space of this run.
        note: tells the person who waits what is going on.
        flags: further flags for every `argosy serve`.
        profile: whether to record the gateway and model processes with py-spy while under load.
    """

    seconds: float
    rounds: int
    directory: Path
    note: Callable[[str], None]
    flags: tuple[str, ...] = ()
    profile: bool = False
