"""The rule set that comes with Argosy, on dies of 512 by 512 pixels drawn by hand."""

from __future__ import annotations

from typing import Any

import pytest

from argosy.inspection.judging.levels import Severity, Verdict
from argosy.inspection.judging.reading import default_rule_set
from argosy.inspection.judging.rules import RuleSet
from argosy.inspection.judging.seen import Box, Inspection, Seen
from argosy.inspection.judging.verdict import judge

MIDDLE: Box = (250.0, 250.0, 280.0, 270.0)
ON_PADS: Box = (30.0, 250.0, 60.0, 270.0)
IN_EDGE: Box = (1.0, 250.0, 9.0, 270.0)
ACROSS_EDGE: Box = (1.0, 250.0, 40.0, 270.0)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return default_rule_set()


def die(*defects: Seen, **given: Any) -> Inspection:
    return Inspection(512, 512, defects, **given)


def test_it_is_for_the_classes_of_the_demo_model(rules: RuleSet) -> None:
    """By name and version, and it says what it is."""
    assert (rules.name, rules.version) == ("default", 1)
    assert set(rules.classes) == {"scratch", "particle", "crack", "missing_bond", "stain"}
    assert rules.scores.threshold == 0.75
    assert rules.description


def test_a_clean_die_passes(rules: RuleSet) -> None:
    """And names the limits that it met."""
    judged = judge(rules, die())
    assert judged.verdict is Verdict.PASS
    assert {outcome.rule for outcome in judged.met} == {"coverage", "defects", "judge:image-quality", "judge:severity"}


@pytest.mark.parametrize(
    ("name", "box", "area", "length", "severity", "verdict", "decided_by"),
    [
        ("scratch", MIDDLE, 60, 39, Severity.LOW, Verdict.PASS, "class:scratch"),
        ("scratch", MIDDLE, 60, 40, Severity.MEDIUM, Verdict.REVIEW, "scratch-long"),
        ("scratch", MIDDLE, 200, 120, Severity.HIGH, Verdict.FAIL, "scratch-very-long"),
        ("scratch", IN_EDGE, 200, 120, Severity.NONE, Verdict.PASS, "cosmetic-at-edge"),
        ("scratch", ACROSS_EDGE, 200, 120, Severity.HIGH, Verdict.FAIL, "scratch-very-long"),
        ("particle", MIDDLE, 5, 3, Severity.NONE, Verdict.PASS, "speck"),
        ("particle", MIDDLE, 79, 10, Severity.LOW, Verdict.PASS, "class:particle"),
        ("particle", MIDDLE, 80, 10, Severity.MEDIUM, Verdict.REVIEW, "particle-large"),
        ("particle", MIDDLE, 300, 20, Severity.HIGH, Verdict.FAIL, "particle-huge"),
        ("particle", ON_PADS, 40, 8, Severity.MEDIUM, Verdict.REVIEW, "particle-on-pad"),
        ("particle", MIDDLE, 40, 8, Severity.LOW, Verdict.PASS, "class:particle"),
        ("stain", MIDDLE, 5, 3, Severity.NONE, Verdict.PASS, "speck"),
        ("stain", MIDDLE, 599, 40, Severity.LOW, Verdict.PASS, "class:stain"),
        ("stain", MIDDLE, 600, 40, Severity.MEDIUM, Verdict.REVIEW, "stain-wide"),
        ("stain", MIDDLE, 2500, 80, Severity.HIGH, Verdict.FAIL, "stain-very-wide"),
        ("crack", MIDDLE, 3, 2, Severity.CRITICAL, Verdict.FAIL, "crack-in-active"),
        ("crack", ON_PADS, 3, 2, Severity.HIGH, Verdict.FAIL, "class:crack"),
        ("crack", IN_EDGE, 3, 2, Severity.HIGH, Verdict.FAIL, "class:crack"),
        ("missing_bond", ON_PADS, 100, 12, Severity.CRITICAL, Verdict.FAIL, "class:missing_bond"),
        ("missing_bond", IN_EDGE, 100, 12, Severity.CRITICAL, Verdict.FAIL, "class:missing_bond"),
        ("bridge", MIDDLE, 100, 12, Severity.MEDIUM, Verdict.REVIEW, "judge:unknown-class"),
    ],
)
def test_each_defect_is_as_bad_as_it_should_be(
    rules: RuleSet,
    name: str,
    box: Box,
    area: float,
    length: float,
    severity: Severity,
    verdict: Verdict,
    decided_by: str,
) -> None:
    """By class, size and place; each rule decides one of them."""
    judged = judge(rules, die(Seen("1", name, 0.95, box, float(area), float(length))))
    assert (judged.defects["1"].severity, judged.verdict) == (severity, verdict)
    assert judged.defects["1"].rules == (decided_by,)


@pytest.mark.parametrize(
    ("name", "score", "verdict"),
    [
        ("missing_bond", 0.85, Verdict.FAIL),
        ("missing_bond", 0.75, Verdict.REVIEW),
        ("missing_bond", 0.65, Verdict.PASS),
        ("crack", 0.7, Verdict.FAIL),
        ("crack", 0.51, Verdict.REVIEW),
        ("crack", 0.5, Verdict.PASS),
    ],
)
def test_a_crack_counts_from_a_lower_score(rules: RuleSet, name: str, score: float, verdict: Verdict) -> None:
    """A missed one costs most."""
    assert judge(rules, die(Seen("1", name, score, MIDDLE, 100.0, 12.0))).verdict is verdict


@pytest.mark.parametrize(("count", "verdict"), [(5, Verdict.PASS), (6, Verdict.REVIEW), (16, Verdict.FAIL)])
def test_many_small_defects_are_too_many(rules: RuleSet, count: int, verdict: Verdict) -> None:
    """Though each of them may pass."""
    scratches = (Seen(str(number), "scratch", 0.95, MIDDLE, 20.0, 10.0) for number in range(count))
    assert judge(rules, die(*scratches)).verdict is verdict


def test_much_is_covered(rules: RuleSet) -> None:
    """Five stains of 590 pixels are low and few, and together more than 1 % of the die."""
    stains = (Seen(str(number), "stain", 0.95, MIDDLE, 590.0, 40.0) for number in range(5))
    assert [hit.rule for hit in judge(rules, die(*stains)).rule_hits] == ["coverage"]


def test_a_poor_picture_is_looked_at(rules: RuleSet) -> None:
    """A blurred picture hides defects."""
    assert judge(rules, die(quality_failures=("sharpness",))).verdict is Verdict.REVIEW


def test_it_needs_no_pixel_size(rules: RuleSet) -> None:
    """No rule of it is undecided without the optics."""
    defects = tuple(
        Seen(name, name, 0.95, MIDDLE, 30.0, 12.0) for name in ("scratch", "particle", "stain", "crack", "missing_bond")
    )
    judged = judge(rules, die(*defects))
    assert "judge:unmeasured" not in {hit.rule for hit in judged.rule_hits}
    assert judged == judge(rules, die(*defects, pixel_size_um=0.5))
