"""What a search is for: an objective, and limits that must be kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from argosy.analysis.trial import Level, Trial

_FAILED = 2.0
"""Violation of a configuration that cannot be measured at all: as if it missed a limit by a factor of seven."""
_MOST_ERRORS = 0.01
_NOISE_FLOOR = 0.03
"""Two measurements of one configuration differ by this much on a quiet machine."""


class Objective(StrEnum):
    """What is to be as good as possible."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Goal:
    """The objective and the service level that must be kept; None is no limit.

    Attributes:
        p99_ms: most milliseconds of the 99th percentile.
        memory_bytes: most resident memory of the model's processes together.
        min_throughput: least requests a second, output tokens a second for a language model.
    """

    objective: Objective = Objective.THROUGHPUT
    p99_ms: float | None = None
    memory_bytes: int | None = None
    min_throughput: float | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def limits(self) -> list[str]:
        """The limits in words."""
        return [
            *([f"p99 at most {self.p99_ms:g} ms"] if self.p99_ms is not None else []),
            *([f"memory at most {self.memory_bytes / (1 << 20):,.0f} MiB"] if self.memory_bytes is not None else []),
            *([f"throughput at least {self.min_throughput:g}/s"] if self.min_throughput is not None else []),
        ]

    def value(self, level: Level) -> float:
        """The objective's figure in its own unit."""
        match self.objective:
            case Objective.THROUGHPUT:
                return level.throughput
            case Objective.LATENCY:
                return level.p99_ms
            case Objective.MEMORY:
                return float(level.rss_bytes)

    def score(self, level: Level) -> float:
        """Larger is better; a difference of 0.05 is 5 %."""
        value = math.log(max(self.value(level), 1e-9))
        return value if self.objective is Objective.THROUGHPUT else -value

    def violation(self, level: Level) -> float:
        """How far the worst-kept limit is missed, as the logarithm of a ratio; at most 0 when all are kept."""
        ratios = [
            *([level.p99_ms / self.p99_ms] if self.p99_ms is not None else []),
            *([level.rss_bytes / self.memory_bytes] if self.memory_bytes is not None else []),
            *([self.min_throughput / level.throughput] if self.min_throughput is not None else []),
        ]
        return max((math.log(max(ratio, 1e-9)) for ratio in ratios), default=-1.0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A trial in the light of a goal.

    Attributes:
        level: where the configuration does best within the limits; where it misses them least when it misses them
            at every level; None when it could not be measured.
        score: see `Goal.score`; NaN without a level.
        violation: see `Goal.violation`.
    """

    trial: Trial
    level: Level | None
    score: float
    violation: float

    @property
    def feasible(self) -> bool:
        """Whether the limits are kept."""
        return self.level is not None and self.violation <= 0


def judge(goal: Goal, trial: Trial) -> Judgement:
    """How a trial does, at the level where it does best."""
    usable = [level for level in trial.levels if level.errors <= _MOST_ERRORS * level.requests]
    if trial.failure or not usable:
        return Judgement(trial, None, math.nan, _FAILED)
    kept = [level for level in usable if goal.violation(level) <= 0]
    if kept:
        best = max(kept, key=lambda level: (goal.score(level), level.throughput))
    else:
        best = min(usable, key=goal.violation)
    return Judgement(trial, best, goal.score(best), goal.violation(best))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search has found so far.

    Attributes:
        best: the best trial that keeps the limits, or None.
        nearest: when none does, the one that misses them least, or None.
        current: the model's own config, or None before it was measured.
    """

    best: Judgement | None
    nearest: Judgement | None
    current: Judgement | None

    @property
    def gain(self) -> float | None:
        """The best's score over the current one's; None when either is missing or breaks a limit."""
        if self.best is None or self.current is None or not self.current.feasible:
            return None
        return self.best.score - self.current.score

    @property
    def noise(self) -> float:
        """The difference below which the best and the current config count as equal."""
        levels = [item.level for item in (self.best, self.current) if item is not None and item.level is not None]
        return max(_NOISE_FLOOR, *(level.spread / 2 for level in levels)) if levels else _NOISE_FLOOR

    @property
    def worth_applying(self) -> bool:
        """Whether the best keeps the limits where the current config does not, or is better by more than noise."""
        if self.best is None or self.best.trial.current:
            return False
        return self.gain is None or self.gain > self.noise


def outcome(goal: Goal, trials: Iterable[Trial]) -> Outcome:
    """The best, nearest and current of the trials."""
    judged = [judge(goal, trial) for trial in trials]
    feasible = [item for item in judged if item.feasible]
    measured = [item for item in judged if item.level is not None]
    return Outcome(
        best=max(feasible, key=lambda item: item.score, default=None),
        nearest=None if feasible else min(measured, key=lambda item: item.violation, default=None),
        current=next((item for item in judged if item.trial.current), None),
    )


def pareto(points: Sequence[tuple[Trial, Level]]) -> list[tuple[Trial, Level]]:
    """The points that no other beats in both throughput and 99th percentile, by ascending latency."""
    front: list[tuple[Trial, Level]] = []
    for trial, level in sorted(points, key=lambda point: (point[1].p99_ms, -point[1].throughput)):
        if not front or level.throughput > front[-1][1].throughput:
            front.append((trial, level))
    return front
