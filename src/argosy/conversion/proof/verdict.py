"""What is known of one built profile, and which of several is served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from argosy.conversion.proof.thresholds import THRESHOLDS, shortfalls
from argosy.conversion.sources.kinds import Kind

_SAME_SPEED = 0.03
"""Speeds closer than this are taken to be equal; the more accurate profile, which comes first, is chosen then."""


class Outcome(StrEnum):
    """What became of a profile."""

    PASSED = "passed"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One profile, compared with the reference.

    Attributes:
        profile: its name, such as `int8`.
        figures: accuracy by name; see `measures`.
        reasons: why it was rejected or failed, a sentence each; empty when it passed.
        speed: rows or tokens a second on this machine, measured in the same run as the other profiles.
        unit: what `speed` counts.
        size: bytes of the network's files.
    """

    profile: str
    outcome: Outcome
    figures: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    speed: float = 0.0
    unit: str = "rows/s"
    size: int = 0

    @property
    def passed(self) -> bool:
        """Whether it may be served."""
        return self.outcome is Outcome.PASSED


def judge(profile: str, kind: Kind, answer: Mapping[str, Any], size: int) -> Verdict:
    """The verdict on what a validation step found.

    Args:
        profile: its name.
        kind: whose bounds hold.
        answer: `figures`, `speed` and `unit`, or `not_finite` with what was seen.
        size: bytes of the network's files.
    """
    if trouble := answer.get("not_finite"):
        return Verdict(profile, Outcome.REJECTED, reasons=(str(trouble),), size=size)
    figures = {name: float(value) for name, value in answer["figures"].items()}
    reasons = shortfalls(kind, figures)
    outcome = Outcome.REJECTED if reasons else Outcome.PASSED
    return Verdict(profile, outcome, figures, reasons, float(answer["speed"]), str(answer["unit"]), size)


def choose(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The fastest profile that passed, None when none did; `verdicts` come in order of accuracy, best first."""
    chosen: Verdict | None = None
    for verdict in verdicts:
        if verdict.passed and (chosen is None or verdict.speed > chosen.speed * (1 + _SAME_SPEED)):
            chosen = verdict
    return chosen


def proof_mapping(verdict: Verdict, kind: Kind, reference: str, samples: int, date: str) -> dict[str, Any]:
    """What `argosy.yaml` says of the proof."""
    return {
        "passed": verdict.passed,
        "reference": reference,
        "samples": samples,
        "figures": {name: round(value, 6) for name, value in verdict.figures.items()},
        "thresholds": {bound.figure: bound.text for bound in THRESHOLDS[kind]},
        "speed": {"value": round(verdict.speed, 1), "unit": verdict.unit},
        "date": date,
    }
