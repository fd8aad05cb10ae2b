"""The page: `report.html`, with style and drawings inside, readable on a phone, light or dark."""

from __future__ import annotations

from typing import Any

import jinja2

from argosy.analysis.goal import Judgement, Objective, judge, pareto
from argosy.analysis.report.document import Report, describe, ranked
from argosy.analysis.report.plot import Mark, progress, scatter
from argosy.analysis.trial import Level, Trial

_MIB = 1 << 20


def render(report: Report) -> str:
    """The whole page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("argosy.analysis.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(_content(report))


def _content(report: Report) -> dict[str, Any]:
    found = report.outcome
    chosen = found.best or found.nearest
    return {
        "report": report,
        "found": found,
        "chosen": chosen,
        "settings": describe(chosen.trial.configuration, report.varied) if chosen else [],
        "plot": scatter(
            _marks(report),
            [(level.p99_ms, level.throughput) for _, level in pareto(report.points)],
            report.unit,
            most_x=report.goal.p99_ms,
            least_y=report.goal.min_throughput,
        ),
        "progress": progress(_best_so_far(report), _objective_unit(report)),
        "levels": _comparison(report, chosen),
        "rows": [_row(report, item) for item in ranked(report)],
        "objective": report.goal.objective.value,
        "limits": report.goal.limits(),
        "minutes": sum(trial.seconds for trial in report.trials) / 60,
        "values": report.space.to_mapping(),
    }


def _marks(report: Report) -> list[Mark]:
    found = report.outcome
    front = {(trial.number, level.concurrency) for trial, level in pareto(report.points)}

    def kind(trial: Trial, level: Level) -> str:
        if found.best is not None and trial is found.best.trial and level is found.best.level:
            return "best"
        if trial.current:
            return "current"
        if report.goal.violation(level) > 0:
            return "missed"
        return "front" if (trial.number, level.concurrency) in front else "point"

    return [
        Mark(level.p99_ms, level.throughput, kind(trial, level), _label(report, trial, level))
        for trial, level in report.points
    ]


def _label(report: Report, trial: Trial, level: Level) -> str:
    name = "current config" if trial.current else f"trial {trial.number}"
    return (
        f"{name}, {level.concurrency} in flight: {level.throughput:,.1f} {report.unit}, p99 {level.p99_ms:,.1f} ms\n"
        f"{trial.configuration}"
    )


def _best_so_far(report: Report) -> list[float | None]:
    values: list[float | None] = []
    best: Judgement | None = None
    for trial in report.trials:
        judged = judge(report.goal, trial)
        if judged.feasible and (best is None or judged.score > best.score):
            best = judged
        values.append(None if best is None or best.level is None else _figure(report, best.level))
    return values


def _figure(report: Report, level: Level) -> float:
    value = report.goal.value(level)
    return value / _MIB if report.goal.objective is Objective.MEMORY else value


def _objective_unit(report: Report) -> str:
    return {
        Objective.THROUGHPUT: report.unit,
        Objective.LATENCY: "p99 latency, ms",
        Objective.MEMORY: "memory, MiB",
    }[report.goal.objective]


def _comparison(report: Report, chosen: Judgement | None) -> list[dict[str, Any]]:
    """The chosen configuration against the current one, level by level."""
    current = report.outcome.current
    if chosen is None or current is None:
        return []
    most = max((level.throughput for level in (*chosen.trial.levels, *current.trial.levels)), default=1.0)
    rows = []
    for concurrency in report.concurrencies:
        new, old = chosen.trial.at(concurrency), current.trial.at(concurrency)
        if new is not None and old is not None:
            share = {"new_share": new.throughput / most, "old_share": old.throughput / most}
            rows.append({"concurrency": concurrency, "new": new, "old": old, **share})
    return rows


def _row(report: Report, judged: Judgement) -> dict[str, Any]:
    trial, found = judged.trial, report.outcome
    notes = [
        *(["best"] if found.best is not None and trial is found.best.trial else []),
        *(["nearest"] if found.nearest is not None and trial is found.nearest.trial else []),
        *(["current"] if trial.current else []),
        *([f"failed: {trial.failure}"] if trial.failure else []),
        *(["misses a limit"] if judged.level is not None and not judged.feasible else []),
        *(["unstable"] if judged.level is not None and not judged.level.stable else []),
        *([f"{judged.level.errors} errors"] if judged.level is not None and judged.level.errors else []),
    ]
    return {
        "trial": trial,
        "level": judged.level,
        "feasible": judged.feasible,
        "notes": notes,
        "values": [trial.configuration.get(name) for name in report.varied],
    }
