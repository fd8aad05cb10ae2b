"""What a change of rules would do to inspections that were judged before, so that it is seen before it is active."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from argosy.inspection.judging.levels import Verdict
from argosy.inspection.judging.rules import RuleSet
from argosy.inspection.judging.seen import Inspection
from argosy.inspection.judging.verdict import judge
from argosy.inspection.statistics.proportions import Proportion, proportion


@dataclass(frozen=True, slots=True)
class Stored:
    """An inspection of the past.

    Attributes:
        id: what the report calls it.
        inspection: what was seen.
        verdict: what it was given.
        bad: what it truly is, where a person has decided; None otherwise.
    """

    id: str
    inspection: Inspection
    verdict: Verdict
    bad: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An inspection with another verdict.

    Attributes:
        rules: ids of what fired with the worst verdict under the new rules; of what was met when that is PASS.
    """

    id: str
    before: Verdict
    after: Verdict
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecidedRates:
    """Of the inspections that a person has decided on. A REVIEW is neither overkill nor an escape.

    They compare rules. They do not estimate the rates of all inspections, of which people see mostly the bad ones:
    for that see `argosy.inspection.statistics.review_rates`.

    Attributes:
        overkill: good that FAIL / good; None without good ones.
        escape: bad that PASS / bad; None without bad ones.
    """

    overkill: Proportion | None
    escape: Proportion | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """Before and after.

    Attributes:
        inspections: how many were judged.
        matrix: how many went from one verdict to another; all nine cells.
        changes: those whose verdict differs, in the order that they came.
        before: the rates under the verdicts that were given.
        after: the rates under the new rules.
    """

    inspections: int
    matrix: Mapping[tuple[Verdict, Verdict], int]
    changes: tuple[Change, ...]
    before: DecidedRates
    after: DecidedRates

    def ids(self, before: Verdict, after: Verdict) -> tuple[str, ...]:
        """The inspections in one cell of the matrix off its diagonal."""
        return tuple(change.id for change in self.changes if (change.before, change.after) == (before, after))

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON; `matrix[before][after]`."""
        return {
            "inspections": self.inspections,
            "changed": len(self.changes),
            "matrix": {
                before.value: {after.value: self.matrix[before, after] for after in Verdict} for before in Verdict
            },
            "changes": [
                {
                    "id": change.id,
                    "before": change.before.value,
                    "after": change.after.value,
                    "rules": list(change.rules),
                }
                for change in self.changes
            ],
            "rates": {"before": asdict(self.before), "after": asdict(self.after)},
        }


def simulate(rule_set: RuleSet, stored: Iterable[Stored]) -> Simulation:
    """Judge inspections of the past by another rule set. They are taken one by one, and not kept."""
    matrix = {(before, after): 0 for before in Verdict for after in Verdict}
    decided = {bad: dict.fromkeys(matrix, 0) for bad in (False, True)}
    changes = []
    for item in stored:
        judged = judge(rule_set, item.inspection)
        cell = (item.verdict, judged.verdict)
        matrix[cell] += 1
        if item.bad is not None:
            decided[item.bad][cell] += 1
        if judged.verdict is not item.verdict:
            outcomes = judged.rule_hits or judged.met
            rules = tuple(outcome.rule for outcome in outcomes if outcome.verdict is judged.verdict)
            changes.append(Change(item.id, item.verdict, judged.verdict, rules))
    return Simulation(
        inspections=sum(matrix.values()),
        matrix=matrix,
        changes=tuple(changes),
        before=_rates(decided, side=0),
        after=_rates(decided, side=1),
    )


def _rates(decided: Mapping[bool, Mapping[tuple[Verdict, Verdict], int]], *, side: int) -> DecidedRates:
    return DecidedRates(
        overkill=_share(decided[False], side, Verdict.FAIL),
        escape=_share(decided[True], side, Verdict.PASS),
    )


def _share(cells: Mapping[tuple[Verdict, Verdict], int], side: int, verdict: Verdict) -> Proportion | None:
    total = sum(cells.values())
    if not total:
        return None
    return proportion(sum(count for cell, count in cells.items() if cell[side] is verdict), total)
