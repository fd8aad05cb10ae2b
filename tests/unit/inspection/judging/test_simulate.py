from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.inspection.judging.levels import Verdict
from argosy.inspection.judging.simulate import Change, DecidedRates, Stored, simulate
from argosy.inspection.judging.verdict import judge
from argosy.inspection.statistics.proportions import proportion
from tests.unit.inspection.judging.examples import inspection, rule_set, seen

PASS, REVIEW, FAIL = Verdict
BEFORE = rule_set()
STRICTER = rule_set(
    rules=[{"id": "large", "when": {"class": "scratch", "area_px": {"at_least": 50}}, "severity": "high"}]
)
INSPECTIONS = {
    "clean": inspection(),
    "small": inspection(seen(area_px=10.0)),
    "large": inspection(seen(area_px=90.0)),
    "unsure": inspection(seen(area_px=90.0, score=0.8)),
    "crack": inspection(seen("crack")),
}
STORED = [Stored(name, looked_at, judge(BEFORE, looked_at).verdict) for name, looked_at in INSPECTIONS.items()]


def test_a_stricter_rule_shows_what_it_would_reject() -> None:
    """The matrix counts all, and each change names the rules behind it."""
    outcome = simulate(STRICTER, STORED)
    assert outcome.inspections == 5
    assert {cell: count for cell, count in outcome.matrix.items() if count} == {
        (PASS, PASS): 2,
        (PASS, FAIL): 1,
        (PASS, REVIEW): 1,
        (FAIL, FAIL): 1,
    }
    assert len(outcome.matrix) == 9
    assert outcome.changes == (
        Change("large", PASS, FAIL, ("large",)),
        Change("unsure", PASS, REVIEW, ("judge:low-margin",)),
    )
    assert outcome.ids(PASS, FAIL) == ("large",)
    assert outcome.ids(FAIL, PASS) == ()


def test_a_milder_rule_shows_what_it_would_let_through() -> None:
    """A change to PASS names what was met."""
    milder = rule_set(classes={"crack": "low", "scratch": "low"})
    outcome = simulate(milder, STORED)
    assert outcome.changes == (Change("crack", FAIL, PASS, ("judge:image-quality", "judge:severity")),)


def test_only_the_rules_with_the_worst_verdict_are_named() -> None:
    """A REVIEW beside a FAIL did not decide."""
    looked_at = inspection(seen(area_px=90.0), quality_failures=("contrast",))
    outcome = simulate(STRICTER, [Stored("a", looked_at, PASS)])
    assert outcome.changes == (Change("a", PASS, FAIL, ("large",)),)


def test_rates_are_of_those_that_a_person_has_decided_on() -> None:
    """Overkill is of the good ones and escape of the bad ones; a REVIEW is neither."""
    stored = [
        Stored("a", INSPECTIONS["large"], PASS, bad=True),
        Stored("b", INSPECTIONS["small"], PASS, bad=True),
        Stored("c", INSPECTIONS["unsure"], PASS, bad=True),
        Stored("d", INSPECTIONS["large"], PASS, bad=False),
        Stored("e", INSPECTIONS["clean"], REVIEW, bad=False),
        Stored("f", INSPECTIONS["crack"], FAIL),
    ]
    outcome = simulate(STRICTER, stored)
    assert outcome.before == DecidedRates(overkill=proportion(0, 2), escape=proportion(3, 3))
    assert outcome.after == DecidedRates(overkill=proportion(1, 2), escape=proportion(1, 3))


def test_without_decisions_there_are_no_rates() -> None:
    """No rate is not a rate of zero."""
    outcome = simulate(STRICTER, STORED)
    assert outcome.before == outcome.after == DecidedRates(overkill=None, escape=None)


def test_nothing_stored_changes_nothing() -> None:
    """The matrix is there, and empty."""
    outcome = simulate(STRICTER, [])
    assert outcome.inspections == 0
    assert set(outcome.matrix.values()) == {0}


@given(st.lists(st.sampled_from(STORED), max_size=12))
@settings(deadline=None)
def test_the_same_rules_change_nothing(stored: list[Stored]) -> None:
    """All inspections are on the diagonal."""
    outcome = simulate(BEFORE, stored)
    assert outcome.changes == ()
    assert sum(outcome.matrix[verdict, verdict] for verdict in Verdict) == len(stored)


def test_inspections_are_taken_one_by_one() -> None:
    """A year of them need not fit into memory."""
    assert simulate(STRICTER, (item for item in STORED)).inspections == len(STORED)


def test_a_simulation_is_plain_data_for_json() -> None:
    """Verdicts by their words, the matrix by before and after."""
    data = simulate(STRICTER, [*STORED, Stored("known", INSPECTIONS["large"], PASS, bad=True)]).to_mapping()
    assert json.loads(json.dumps(data)) == data
    assert data["matrix"]["PASS"] == {"PASS": 2, "REVIEW": 1, "FAIL": 2}
    assert data["changed"] == 3
    assert data["changes"][0] == {"id": "large", "before": "PASS", "after": "FAIL", "rules": ["large"]}
    assert data["rates"]["before"]["escape"]["estimate"] == 1.0
    assert data["rates"]["after"]["escape"]["estimate"] == 0.0
    assert data["rates"]["after"]["overkill"] is None
