"""The search as plain data: `report.json`, and what the page is made from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argosy.analysis import knobs
from argosy.analysis.goal import Goal, Judgement, Outcome, judge, outcome, pareto
from argosy.analysis.space import Configuration, Space
from argosy.analysis.trial import Level, Trial
from argosy.core.models import ModelSpec, Task

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is reported.

    Attributes:
        unit: of the throughput.
        config: text of the `config.pbtxt` that the best configuration makes; empty without one.
        host: facts about the machine.
        command: what the search can be continued or applied with.
        made: when, with a time zone.
        applied: what `--apply` did, or None.
    """

    spec: ModelSpec
    goal: Goal
    space: Space
    concurrencies: Sequence[int]
    trials: Sequence[Trial]
    config: str
    host: Mapping[str, Any]
    command: str
    made: datetime
    applied: Mapping[str, Any] | None = None

    @property
    def unit(self) -> str:
        """What is counted."""
        return "tokens/s" if self.spec.task is Task.GENERATE else "requests/s"

    @property
    def outcome(self) -> Outcome:
        """Best, nearest and current."""
        return outcome(self.goal, self.trials)

    @property
    def points(self) -> list[tuple[Trial, Level]]:
        """Every level of every trial that could be measured."""
        return [(trial, level) for trial in self.trials if not trial.failure for level in trial.levels]

    @property
    def varied(self) -> list[str]:
        """Names of the settings that had a choice."""
        return [dimension.name for dimension in self.space.dimensions if len(dimension.values) > 1]

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON; a figure that does not exist is null."""
        found = self.outcome
        return {
            "schema": SCHEMA,
            "model": self.spec.name,
            "task": self.spec.task.value,
            "engine": self.spec.engine,
            "made": self.made.isoformat(timespec="seconds"),
            "host": dict(self.host),
            "goal": self.goal.to_mapping(),
            "unit": self.unit,
            "concurrencies": list(self.concurrencies),
            "space": self.space.to_mapping(),
            "space_size": self.space.size,
            "measured": len(self.trials),
            "failed": sum(bool(trial.failure) for trial in self.trials),
            "unstable": sum(not trial.stable for trial in self.trials),
            "seconds": round(sum(trial.seconds for trial in self.trials), 1),
            "best": _judgement(found.best),
            "nearest": _judgement(found.nearest),
            "current": _judgement(found.current),
            "gain": None if found.gain is None else math.expm1(found.gain),
            "noise": found.noise,
            "worth_applying": found.worth_applying,
            "verdict": self.verdict(),
            "config": self.config,
            "pareto": [
                {"trial": trial.number, "concurrency": level.concurrency} for trial, level in pareto(self.points)
            ],
            "trials": [trial.to_mapping() for trial in self.trials],
            "applied": None if self.applied is None else dict(self.applied),
        }

    def verdict(self) -> str:
        """What the search comes to, in a sentence."""
        found = self.outcome
        if found.best is None or found.best.level is None:
            return self._nothing_fits(found)
        level = found.best.level
        figures = (
            f"{level.throughput:,.0f} {self.unit} with a p99 of {level.p99_ms:,.1f} ms at {level.concurrency} in flight"
        )
        if found.best.trial.current or not found.worth_applying:
            return f"Keep the current config: nothing measured is better by more than the noise. It does {figures}."
        if found.gain is None:
            return f"The best configuration keeps the limits, which the current one does not: {figures}."
        better = {"throughput": "more throughput", "latency": "less latency", "memory": "less memory"}
        change = math.expm1(found.gain) if self.goal.objective == "throughput" else -math.expm1(-found.gain)
        return f"{change:.0%} {better[self.goal.objective.value]} than the current config: {figures}."

    def _nothing_fits(self, found: Outcome) -> str:
        if found.nearest is None or found.nearest.level is None:
            return "No configuration could be measured; the table says why."
        level = found.nearest.level
        return (
            f"No configuration keeps the limits ({', '.join(self.goal.limits())}). The nearest misses them by "
            f"{math.expm1(found.nearest.violation):.0%}: {level.throughput:,.1f} {self.unit}, "
            f"p99 {level.p99_ms:,.1f} ms, {level.rss_bytes / (1 << 20):,.0f} MiB at {level.concurrency} in flight "
            f"({found.nearest.trial.configuration})."
        )


def describe(configuration: Configuration, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Name, value and meaning of the settings in `names`."""
    return [(name, str(value), knobs.meaning(name)) for name in names if (value := configuration.get(name)) is not None]


def ranked(report: Report) -> list[Judgement]:
    """Every trial: those that keep the limits first, best first; those that failed last."""
    judged = [judge(report.goal, trial) for trial in report.trials]
    return sorted(judged, key=lambda item: (not item.feasible, item.violation if not item.feasible else -item.score))


def _judgement(judged: Judgement | None) -> dict[str, Any] | None:
    if judged is None:
        return None
    return {
        "trial": judged.trial.number,
        "configuration": judged.trial.configuration.to_mapping(),
        "feasible": judged.feasible,
        "missed_by": max(0.0, math.expm1(judged.violation)),
        "level": None if judged.level is None else judged.level.to_mapping(),
    }
