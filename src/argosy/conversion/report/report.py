"""The report of a conversion: every profile with its figures, whether it was chosen or not, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from argosy.conversion.proof.thresholds import THRESHOLDS
from argosy.conversion.proof.verdict import Outcome, Verdict
from argosy.conversion.sources.kinds import Kind

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Report:
    """All that a conversion found out.

    Attributes:
        chosen: name of the profile that was packaged; empty when none passed.
        verdicts: one for each profile, the most accurate form first.
        reference: what the original was run with.
        samples: how many judged each profile.
        generated: whether the samples were made by the converter.
        steps: one row for each step: name, seconds, memory in bytes, whether it was reused.
        versions: of the packages each interpreter has.
        date: ISO 8601.
    """

    name: str
    source: str
    kind: Kind
    engine: str
    precision: str
    chosen: str
    verdicts: tuple[Verdict, ...]
    reference: str
    samples: int
    generated: bool
    steps: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, Mapping[str, str]]
    date: str

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why each profile that was not chosen was not, a sentence each."""
        return tuple(remark for verdict in self.verdicts if (remark := self._remark(verdict)))

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for `report.json`."""
        return {
            "schema": _SCHEMA,
            "name": self.name,
            "source": self.source,
            "kind": self.kind.value,
            "engine": self.engine,
            "asked": self.precision,
            "chosen": self.chosen,
            "passed": bool(self.chosen),
            "reference": self.reference,
            "samples": self.samples,
            "samples_generated": self.generated,
            "thresholds": {bound.figure: bound.text for bound in THRESHOLDS[self.kind]},
            "profiles": [_row(verdict) for verdict in self.verdicts],
            "remarks": list(self.remarks),
            "steps": [dict(step) for step in self.steps],
            "versions": {name: dict(found) for name, found in self.versions.items()},
            "date": self.date,
        }

    def _remark(self, verdict: Verdict) -> str:
        if verdict.profile == self.chosen:
            return ""
        if verdict.outcome is not Outcome.PASSED:
            return f"{verdict.profile} was {_said(verdict.outcome)}: {'; '.join(verdict.reasons)}."
        best = next(each for each in self.verdicts if each.profile == self.chosen)
        ratio = verdict.speed / best.speed
        return (
            f"{verdict.profile} passed and was not chosen: it ran at {verdict.speed:,.1f} {verdict.unit}, "
            f"{ratio:.2f} times the speed of {best.profile}."
        )


def write_report(report: Report, folder: Path) -> dict[str, Path]:
    """Write `report.json` and `report.html`; returns them by name."""
    written = {
        "report.json": json.dumps(report.to_mapping(), indent=2),
        "report.html": _page(report),
    }
    for name, text in written.items():
        staged = folder / f"{name}.new"
        staged.write_text(text + "\n", encoding="utf-8")
        staged.replace(folder / name)
    return {name: folder / name for name in written}


def _page(report: Report) -> str:
    template = resources.files(__package__ or "").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    fastest = max((verdict.speed for verdict in report.verdicts), default=0.0) or 1.0
    return environment.from_string(template).render(
        report=report, figures=_figure_names(report), bounds=THRESHOLDS[report.kind], fastest=fastest
    )


def _figure_names(report: Report) -> list[str]:
    return list(dict.fromkeys(name for verdict in report.verdicts for name in verdict.figures))


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "profile": verdict.profile,
        "outcome": verdict.outcome.value,
        "figures": dict(verdict.figures),
        "reasons": list(verdict.reasons),
        "speed": verdict.speed,
        "unit": verdict.unit,
        "bytes": verdict.size,
    }


def _said(outcome: Outcome) -> str:
    return "rejected" if outcome is Outcome.REJECTED else "not built"
