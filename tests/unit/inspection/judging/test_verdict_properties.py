from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.judging.levels import Verdict
from argosy.inspection.judging.rules import RuleSet, Standing, Total
from argosy.inspection.judging.seen import Inspection, Seen
from argosy.inspection.judging.verdict import judge
from tests.unit.inspection.judging.examples import FRAME, inspection, rule_set, seen

_CONDITIONS = [
    {"class": "scratch"},
    {"class": ["crack", "stain"], "touches": "pad"},
    {"area_px": {"at_least": 40}},
    {"area_um2": {"at_least": 12}},
    {"length_px": {"at_least": 15, "below": 60}},
    {"class": "scratch", "length_um": {"at_least": 20}},
    {"touches": ["pad", "edge"]},
    {"inside": "edge"},
    {"class": "dust", "area_px": {"below": 5}},
]
_ZONES = {
    "pad": [{"rectangle": [0.1, 0.1, 0.3, 0.3]}, {"polygon": [[0.5, 0.5], [0.9, 0.5], [0.5, 0.9]]}],
    "edge": [{"outside": [0.05, 0.05, 0.95, 0.95]}],
}


def _drawn(draw: random.Random) -> RuleSet:
    """A rule set of the conditions above; what would be idle in it is left out."""
    parts: dict[str, Any] = {
        "zones": _ZONES,
        "verdicts": dict(
            zip(["low", "medium", "high", "critical"], sorted(draw.choices(list(Verdict), k=4)), strict=True)
        ),
        "unknown_class": {"severity": draw.choice(["none", "medium", "critical"])},
        "image_quality": draw.choice(["REVIEW", "FAIL"]),
        "scores": {"threshold": draw.choice([0.3, 0.75]), "margin": draw.choice([0.0, 0.1])},
    }
    for number in range(draw.randint(0, 4)):
        severity = draw.choice(["medium", "high", "critical"])
        _add(parts, "rules", {"id": f"r{number}", "when": draw.choice(_CONDITIONS), "severity": severity})
    for number in range(draw.randint(0, 2)):
        _add(parts, "ignore", {"id": f"i{number}", "when": draw.choice(_CONDITIONS)})
    for number in range(draw.randint(0, 3)):
        low = draw.choice([0, 0.1, 0.5])
        limit = {"id": f"l{number}", "total": draw.choice(list(Total)), "review_above": low, "fail_above": low + 0.4}
        of = {"of": draw.choice(_CONDITIONS)} if draw.random() < 0.5 and limit["total"] != "anomaly_score" else {}
        _add(parts, "limits", {**limit, **of})
    return rule_set(**parts)


def _add(parts: dict[str, Any], where: str, entry: dict[str, Any]) -> None:
    """Keep the entry unless the rule set is refused with it."""
    parts.setdefault(where, []).append(entry)
    try:
        rule_set(**parts)
    except InvalidRequest:
        parts[where].pop()


RULE_SETS = [_drawn(random.Random(seed)) for seed in range(150)]  # noqa: S311 - nothing is kept secret
_rule_sets = st.sampled_from(RULE_SETS)


@st.composite
def defects(draw: st.DrawFn, key: str = "") -> Seen:
    x, y = draw(st.integers(0, FRAME - 100)), draw(st.integers(0, FRAME - 100))
    width, height = draw(st.integers(1, 100)), draw(st.integers(1, 100))
    return Seen(
        key,
        draw(st.sampled_from(["scratch", "crack", "dust", "stain", "bridge"])),
        draw(st.floats(0, 1) | st.sampled_from([0.2, 0.65, 0.7, 0.85, 0.95])),
        (float(x), float(y), float(x + width), float(y + height)),
        draw(st.floats(0, 5000)),
        draw(st.none() | st.floats(0, 200)),
    )


@st.composite
def inspections(draw: st.DrawFn) -> Inspection:
    found = draw(st.lists(defects(), max_size=6))
    return inspection(
        *(replace(defect, id=f"d{number}") for number, defect in enumerate(found)),
        pixel_size_um=draw(st.sampled_from([None, 0.5, 2.0])),
        die=draw(st.sampled_from([None, (100.0, 100.0, 900.0, 900.0)])),
        anomaly_score=draw(st.none() | st.floats(0, 1)),
        quality_failures=draw(st.sampled_from([(), ("contrast",)])),
    )


@given(_rule_sets, inspections(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_defects_changes_nothing(rules, looked_at, shuffle) -> None:
    """Not even the last digit of a value: sums are rounded once."""
    shuffled = shuffle.sample(looked_at.defects, len(looked_at.defects))
    judged, again = judge(rules, looked_at), judge(rules, replace(looked_at, defects=tuple(shuffled)))
    assert judged == again
    assert list(judged.defects) == list(again.defects)


@given(_rule_sets, inspections(), defects(key="more"))
@settings(max_examples=100, deadline=None)
def test_a_defect_more_never_makes_the_verdict_better(rules, looked_at, more) -> None:
    """Nor the severity or the score lower."""
    before, after = judge(rules, looked_at), judge(rules, replace(looked_at, defects=(*looked_at.defects, more)))
    assert after.verdict >= before.verdict
    assert after.severity >= before.severity
    assert after.score >= before.score


@given(_rule_sets, inspections(), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_higher_score_never_makes_the_verdict_better(rules, looked_at, score) -> None:
    """A model that is surer of a defect cannot help a die through."""
    raised = tuple(replace(defect, score=max(score, defect.score)) for defect in looked_at.defects)
    assert judge(rules, replace(looked_at, defects=raised)).verdict >= judge(rules, looked_at).verdict


@given(_rule_sets, inspections())
@settings(max_examples=60, deadline=None)
def test_the_picture_only_adds_to_the_verdict(rules, looked_at) -> None:
    """A poor picture is never better than a good one."""
    good, poor = replace(looked_at, quality_failures=()), replace(looked_at, quality_failures=("contrast",))
    assert judge(rules, poor).verdict == max(judge(rules, good).verdict, rules.image_quality)


@given(_rule_sets, inspections())
@settings(max_examples=100, deadline=None)
def test_every_verdict_is_accounted_for(rules, looked_at) -> None:
    """The worst hit has the verdict, a PASS has met something, and each defect's own verdict is not worse than it."""
    judged = judge(rules, looked_at)
    assert all(hit.verdict is not Verdict.PASS for hit in judged.rule_hits)
    assert all(outcome.verdict is Verdict.PASS for outcome in judged.met)
    if judged.verdict is Verdict.PASS:
        assert judged.met
        assert not judged.rule_hits
    else:
        assert judged.rule_hits[0].verdict is judged.verdict
    assert all(defect.verdict <= judged.verdict for defect in judged.defects.values())
    named = {outcome.rule for outcome in (*judged.rule_hits, *judged.met)}
    assert set(rules.limits) <= named


@given(_rule_sets, inspections())
@settings(max_examples=60, deadline=None)
def test_only_what_is_sure_fails_a_defect(rules, looked_at) -> None:
    """A defect in the margin is looked at, and one that does not count goes through."""
    for defect in judge(rules, looked_at).defects.values():
        if defect.standing is Standing.POSSIBLE:
            assert defect.verdict <= Verdict.REVIEW
        elif defect.standing is not Standing.COUNTED:
            assert (defect.verdict, defect.severity) == (Verdict.PASS, "none")


def test_the_rule_sets_that_are_drawn_are_of_every_kind() -> None:
    """So that the properties above speak of all parts together."""
    for part in (
        lambda r: r.rules,
        lambda r: r.ignore,
        lambda r: r.limits,
        lambda r: r.rules and r.ignore and r.limits,
    ):
        assert sum(bool(part(drawn)) for drawn in RULE_SETS) >= 20
    assert {limit.total for drawn in RULE_SETS for limit in drawn.limits.values()} == set(Total)
    verdicts = {judge(drawn, inspection(seen(score=0.95))).verdict for drawn in RULE_SETS}
    assert verdicts == set(Verdict)
