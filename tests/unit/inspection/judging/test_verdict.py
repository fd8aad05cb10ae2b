from __future__ import annotations

import json
from typing import Any

import pytest

from argosy.inspection.judging.levels import Severity, Verdict
from argosy.inspection.judging.rules import Standing
from argosy.inspection.judging.seen import Seen
from argosy.inspection.judging.verdict import Judgement, Outcome, judge
from tests.unit.inspection.judging.examples import inspection, rule_set, seen

PAD = {"pad": [{"rectangle": [0.1, 0.1, 0.2, 0.2]}]}
ON_PAD = (150.0, 150.0, 160.0, 160.0)
ACROSS_PAD = (150.0, 150.0, 300.0, 160.0)


def hits(judged: Judgement) -> dict[str, Verdict]:
    return {hit.rule: hit.verdict for hit in judged.rule_hits}


def met(judged: Judgement, rule: str) -> Outcome:
    return next(outcome for outcome in judged.met if outcome.rule == rule)


def test_a_clean_die_passes_and_says_by_what() -> None:
    """A PASS names what could have led elsewhere: severities, limits and the picture's quality."""
    judged = judge(rule_set(limits=[{"id": "many", "total": "count", "fail_above": 3}]), inspection())
    assert (judged.verdict, judged.severity, judged.score) == (Verdict.PASS, Severity.NONE, 0.0)
    assert judged.rule_hits == ()
    assert [outcome.rule for outcome in judged.met] == ["judge:image-quality", "judge:severity", "many"]
    assert met(judged, "many").values == {"value": 0.0, "at_most": 0.0, "limit": 3.0}
    assert met(judged, "judge:severity").values == {"severity": "none", "limit": "low"}


@pytest.mark.parametrize(
    ("name", "severity", "verdict"),
    [
        ("dust", Severity.NONE, Verdict.PASS),
        ("scratch", Severity.LOW, Verdict.PASS),
        ("stain", Severity.MEDIUM, Verdict.REVIEW),
        ("crack", Severity.HIGH, Verdict.FAIL),
    ],
)
def test_a_class_has_a_severity_and_that_a_verdict(name: str, severity: Severity, verdict: Verdict) -> None:
    """Without a rule that says worse, the class alone decides."""
    judged = judge(rule_set(), inspection(seen(name)))
    assert (judged.verdict, judged.severity) == (verdict, severity)
    assert judged.defects["1"].severity is severity
    assert judged.defects["1"].rules == (f"class:{name}",)
    assert judged.defects["1"].reason == f"{severity} by 'class:{name}'"
    assert hits(judged) == ({} if verdict is Verdict.PASS else {f"class:{name}": verdict})


def test_a_hit_says_what_it_compared() -> None:
    """Two defects of one rule are one hit with both their ids."""
    judged = judge(
        rule_set(), inspection(seen("crack", key="b", score=0.9), seen("crack", key="a", area_px=250.0), seen(key="c"))
    )
    assert judged.rule_hits == (
        Outcome(
            "class:crack",
            Verdict.FAIL,
            "2 defects of severity 'high' by 'class:crack'.",
            {"defects": 2, "severity": "high", "highest_score": 0.95, "largest_area_px": 250.0},
            ("a", "b"),
        ),
    )


@pytest.mark.parametrize(
    ("condition", "below", "above"),
    [
        ({"area_px": {"at_least": 101}}, {"area_px": 100.9}, {"area_px": 101.0}),
        ({"length_px": {"at_least": 30}}, {"length_px": 29.9}, {"length_px": 30.0}),
        ({"area_um2": {"at_least": 25}}, {"area_px": 99.9}, {"area_px": 100.0}),
        ({"length_um": {"at_least": 10}}, {"length_px": 19.9}, {"length_px": 20.0}),
        ({"touches": "pad"}, {"box": (201.0, 100.0, 300.0, 200.0)}, {"box": (200.0, 100.0, 300.0, 200.0)}),
        ({"inside": "pad"}, {"box": ACROSS_PAD}, {"box": ON_PAD}),
        (
            {"class": "scratch", "touches": "pad", "area_px": {"at_least": 101}},
            {"box": ON_PAD},
            {
                "box": ON_PAD,
                "area_px": 101.0,
            },
        ),
    ],
    ids=["area_px", "length_px", "area_um2", "length_um", "touches", "inside", "all"],
)
def test_a_rule_raises_the_severity_of_what_meets_it(
    condition: dict[str, Any], below: dict[str, Any], above: dict[str, Any]
) -> None:
    """By size in pixels or on the die (0.5 micrometres a pixel), and by place."""
    rules = rule_set(zones=PAD, rules=[{"id": "bad", "when": condition, "severity": "critical"}])
    spared = judge(rules, inspection(seen(**below), pixel_size_um=0.5))
    assert (spared.verdict, spared.severity) == (Verdict.PASS, Severity.LOW)
    struck = judge(rules, inspection(seen(**above), pixel_size_um=0.5))
    assert (struck.verdict, struck.severity) == (Verdict.FAIL, Severity.CRITICAL)
    assert struck.defects["1"].rules == ("bad",)
    assert hits(struck) == {"bad": Verdict.FAIL}


def test_the_worst_rule_wins_wherever_it_stands() -> None:
    """Rules may be written in any order; a milder one never covers up a worse one."""
    steps = [
        {"id": "over-10", "when": {"area_px": {"at_least": 10}}, "severity": "medium"},
        {"id": "over-90", "when": {"area_px": {"at_least": 90}}, "severity": "critical"},
        {"id": "over-50", "when": {"area_px": {"at_least": 50}}, "severity": "high"},
    ]
    for order in (steps, steps[::-1]):
        judged = judge(rule_set(rules=order), inspection(seen(area_px=100.0)))
        assert judged.defects["1"].severity is Severity.CRITICAL
        assert judged.defects["1"].rules == ("over-90",)


def test_all_rules_that_give_the_severity_are_named() -> None:
    """Mending one of them alone would change nothing."""
    rules = [
        {"id": "long", "when": {"length_px": {"at_least": 10}}, "severity": "high"},
        {"id": "large", "when": {"area_px": {"at_least": 10}}, "severity": "high"},
    ]
    judged = judge(rule_set(rules=rules), inspection(seen("crack")))
    assert judged.defects["1"].rules == ("class:crack", "large", "long")
    assert set(hits(judged)) == {"class:crack", "large", "long"}


@pytest.mark.parametrize(
    ("score", "standing", "verdict"),
    [
        (0.85, Standing.COUNTED, Verdict.FAIL),
        (0.84, Standing.POSSIBLE, Verdict.REVIEW),
        (0.66, Standing.POSSIBLE, Verdict.REVIEW),
        (0.65, Standing.BELOW_THRESHOLD, Verdict.PASS),
    ],
)
def test_a_low_margin_leads_to_review(score: float, standing: Standing, verdict: Verdict) -> None:
    """What is surely a defect fails, what surely is none passes, and between them a person looks."""
    judged = judge(rule_set(), inspection(seen("crack", score=score)))
    assert judged.verdict is verdict
    assert judged.defects["1"].standing is standing
    assert judged.score == score


def test_a_low_margin_names_what_the_defect_would_be() -> None:
    """The person who looks learns the severity, the score and the threshold."""
    judged = judge(rule_set(), inspection(seen("crack", score=0.8)))
    assert hits(judged) == {"judge:low-margin": Verdict.REVIEW}
    assert judged.severity is Severity.HIGH
    assert judged.defects["1"].reason == "high by 'class:crack'; score 0.8 is within 0.1 of the threshold 0.75"
    assert judged.rule_hits[0].what == "1 defect with a score too near to the threshold: crack."
    assert judged.rule_hits[0].values["highest_score"] == 0.8


def test_a_low_margin_of_what_may_pass_is_not_looked_at() -> None:
    """Whether it is a defect or not, the verdict is the same."""
    judged = judge(rule_set(), inspection(seen("scratch", score=0.75)))
    assert judged.verdict is Verdict.PASS
    assert judged.defects["1"].standing is Standing.POSSIBLE


def test_what_is_below_the_threshold_does_not_count() -> None:
    """Its severity is none, and the reason says by how much it is missed."""
    judged = judge(rule_set(), inspection(seen("crack", score=0.3)))
    assert judged.severity is Severity.NONE
    assert judged.defects["1"].rules == ()
    assert judged.defects["1"].reason == "score 0.3 is below the threshold 0.75"


def test_a_class_may_have_a_threshold_of_its_own() -> None:
    """The others keep the rule set's."""
    rules = rule_set(classes={"crack": {"severity": "high", "threshold": 0.4}, "stain": "medium"})
    judged = judge(rules, inspection(seen("crack", key="a", score=0.5), seen("stain", key="b", score=0.5)))
    assert [judged.defects[key].standing for key in "ab"] == [Standing.COUNTED, Standing.BELOW_THRESHOLD]


def test_an_unknown_class_is_looked_at() -> None:
    """The model knows a class that the rules do not."""
    judged = judge(rule_set(), inspection(seen("bridge")))
    assert (judged.verdict, judged.severity) == (Verdict.REVIEW, Severity.MEDIUM)
    assert hits(judged) == {"judge:unknown-class": Verdict.REVIEW}
    assert judged.rule_hits[0].what == "1 defect of a class that is not in the rule set: bridge."


@pytest.mark.parametrize(
    ("unknown", "score", "verdict"),
    [
        ({"severity": "none"}, 0.95, Verdict.REVIEW),
        ({"severity": "none", "verdict": "FAIL"}, 0.95, Verdict.FAIL),
        ({"severity": "critical"}, 0.95, Verdict.FAIL),
        ({"severity": "critical", "verdict": "FAIL"}, 0.8, Verdict.REVIEW),
        ({"severity": "critical", "verdict": "FAIL"}, 0.5, Verdict.PASS),
    ],
)
def test_an_unknown_class_never_goes_through(unknown: dict[str, str], score: float, verdict: Verdict) -> None:
    """Its verdict is the worse of its own and of its severity; its score counts as any other."""
    judged = judge(rule_set(unknown_class=unknown), inspection(seen("bridge", score=score)))
    assert judged.verdict is verdict


def test_a_rule_without_class_holds_for_unknown_ones() -> None:
    """A large defect is critical whatever the model calls it."""
    rules = rule_set(rules=[{"id": "huge", "when": {"area_px": {"at_least": 90}}, "severity": "critical"}])
    judged = judge(rules, inspection(seen("bridge")))
    assert hits(judged) == {"huge": Verdict.FAIL, "judge:unknown-class": Verdict.REVIEW}


def test_what_is_ignored_does_not_count() -> None:
    """Neither its severity nor its score, nor in a limit; the exclusion is named."""
    rules = rule_set(
        zones=PAD,
        ignore=[{"id": "on-pad", "when": {"inside": "pad"}}, {"id": "speck", "when": {"area_px": {"below": 200}}}],
        limits=[{"id": "many", "total": "count", "fail_above": 0}],
    )
    judged = judge(rules, inspection(seen("crack", box=ON_PAD)))
    assert (judged.verdict, judged.severity, judged.score) == (Verdict.PASS, Severity.NONE, 0.0)
    assert judged.defects["1"].standing is Standing.IGNORED
    assert judged.defects["1"].rules == ("on-pad", "speck")
    assert judged.defects["1"].reason == "ignored by 'on-pad', 'speck'"


def test_a_defect_that_reaches_out_of_the_zone_is_not_ignored() -> None:
    """A crack that begins in the edge exclusion and ends in the active area counts."""
    rules = rule_set(zones=PAD, ignore=[{"id": "on-pad", "when": {"inside": "pad"}}])
    assert judge(rules, inspection(seen("crack", box=ACROSS_PAD))).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("condition", "defect"),
    [
        ({"area_um2": {"at_least": 10}}, seen()),
        ({"length_um": {"at_least": 10}}, seen()),
        ({"length_px": {"at_least": 10}}, seen(length_px=None)),
    ],
)
def test_a_size_that_is_not_known_leads_to_review(condition: dict[str, Any], defect: Seen) -> None:
    """A scratch of unknown length is neither accepted nor rejected by its length."""
    rules = rule_set(rules=[{"id": "bad", "when": condition, "severity": "critical"}])
    judged = judge(rules, inspection(defect))
    assert hits(judged) == {"judge:unmeasured": Verdict.REVIEW}
    assert judged.severity is Severity.LOW
    assert judged.defects["1"].reason == "low by 'class:scratch'; not measured for 'bad'"


def test_a_size_that_is_not_known_hides_nothing_worse() -> None:
    """What is sure to fail fails."""
    rules = rule_set(rules=[{"id": "bad", "when": {"length_um": {"at_least": 10}}, "severity": "critical"}])
    assert judge(rules, inspection(seen("crack"))).verdict is Verdict.FAIL


def test_a_size_that_could_make_nothing_worse_is_not_missed() -> None:
    """A crack is high as it is; whether a rule for medium would hold too does not matter."""
    rules = rule_set(rules=[{"id": "long", "when": {"length_um": {"at_least": 10}}, "severity": "medium"}])
    judged = judge(rules, inspection(seen("crack")))
    assert hits(judged) == {"class:crack": Verdict.FAIL}
    assert judged.defects["1"].reason == "high by 'class:crack'"


def test_a_size_that_would_change_nothing_is_not_missed() -> None:
    """Low and medium may both pass here, so no person needs to look."""
    rules = rule_set(
        verdicts={"medium": "PASS"},
        rules=[{"id": "long", "when": {"class": "scratch", "length_px": {"at_least": 9}}, "severity": "medium"}],
    )
    assert judge(rules, inspection(seen(length_px=None))).verdict is Verdict.PASS


def test_an_exclusion_by_a_size_that_is_not_known_excuses_nothing() -> None:
    """A crack that may be small counts."""
    rules = rule_set(ignore=[{"id": "small", "when": {"area_um2": {"below": 1e6}}}])
    assert judge(rules, inspection(seen("crack"))).verdict is Verdict.FAIL
    assert judge(rules, inspection(seen("crack"), pixel_size_um=1.0)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("total", "value"),
    [
        ("count", 3.0),
        ("area_px", 600.0),
        ("area_um2", 2400.0),
        ("density_per_cm2", 75.0),
        ("coverage_pct", 0.06),
    ],
)
def test_limits_hold_up_to_their_value(total: str, value: float) -> None:
    """Three defects of 100, 200 and 300 pixels in a frame of 1000 by 1000, 2 micrometres a pixel: 0.04 cm2."""
    defects = [seen(key=key, area_px=area) for key, area in (("a", 100.0), ("b", 200.0), ("c", 300.0))]
    looked_at = inspection(*defects, pixel_size_um=2.0)

    def judged_with(**bounds: float) -> Judgement:
        return judge(rule_set(limits=[{"id": "much", "total": total, **bounds}]), looked_at)

    passed = judged_with(fail_above=value * (1 + 1e-9))
    assert passed.verdict is Verdict.PASS
    assert met(passed, "much").values["value"] == pytest.approx(value)
    assert hits(judged_with(fail_above=value * (1 - 1e-9))) == {"much": Verdict.FAIL}
    assert hits(judged_with(review_above=value * (1 - 1e-9))) == {"much": Verdict.REVIEW}
    assert hits(judged_with(review_above=value / 2, fail_above=value * 2)) == {"much": Verdict.REVIEW}
    assert hits(judged_with(review_above=value / 4, fail_above=value / 2)) == {"much": Verdict.FAIL}


def test_a_limit_says_what_it_counted() -> None:
    """The value, the limit that was passed, and the defects."""
    rules = rule_set(limits=[{"id": "many", "total": "count", "review_above": 1, "fail_above": 5}])
    judged = judge(rules, inspection(*(seen(key=key) for key in "cab")))
    assert judged.rule_hits == (
        Outcome(
            "many",
            Verdict.REVIEW,
            "'many' (count) is 3; the limit is 1.",
            {"value": 3.0, "at_most": 3.0, "limit": 1.0},
            ("a", "b", "c"),
        ),
    )


def test_a_limit_of_some_defects_counts_only_those() -> None:
    """Dust of severity none counts too."""
    rules = rule_set(limits=[{"id": "dusty", "total": "count", "of": {"class": "dust"}, "fail_above": 1}])
    scratches = [seen(key=key) for key in "abc"]
    assert judge(rules, inspection(*scratches, seen("dust", key="d"))).verdict is Verdict.PASS
    judged = judge(rules, inspection(*scratches, seen("dust", key="d"), seen("dust", key="e")))
    assert hits(judged) == {"dusty": Verdict.FAIL}
    assert judged.rule_hits[0].defects == ("d", "e")


def test_defects_that_are_only_possible_lead_a_limit_to_review() -> None:
    """Two are sure and two more may be: above 3 at most, but not for sure."""
    rules = rule_set(limits=[{"id": "many", "total": "count", "fail_above": 3}])
    sure = [seen(key=key) for key in "ab"]
    judged = judge(rules, inspection(*sure, *(seen(key=key, score=0.8) for key in "cd")))
    assert hits(judged) == {"many": Verdict.REVIEW}
    assert judged.rule_hits[0].what == "'many' (count) is 2 for sure and 4 at most; the limit is 3."
    assert judge(rules, inspection(*sure, *(seen(key=key, score=0.3) for key in "cd"))).verdict is Verdict.PASS


def test_a_limit_of_what_cannot_be_told_leads_to_review() -> None:
    """Whether the scratches are long ones is not known, so how many there are is not either."""
    rules = rule_set(
        limits=[{"id": "long-ones", "total": "count", "of": {"length_px": {"at_least": 50}}, "fail_above": 1}]
    )
    unmeasured = [seen(key=key, length_px=None) for key in "ab"]
    assert hits(judge(rules, inspection(*unmeasured))) == {"long-ones": Verdict.REVIEW}


@pytest.mark.parametrize("total", ["area_um2", "density_per_cm2"])
def test_a_limit_on_the_die_needs_the_pixel_size(total: str) -> None:
    """Without one a person looks, unless there is no defect at all."""
    rules = rule_set(limits=[{"id": "much", "total": total, "fail_above": 1e9}])
    judged = judge(rules, inspection(seen()))
    assert hits(judged) == {"much": Verdict.REVIEW}
    assert judged.rule_hits[0].what == f"'much' ({total}) cannot be judged without the pixel size."
    assert judge(rules, inspection()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.0, Verdict.PASS), (0.5, Verdict.PASS), (0.6, Verdict.REVIEW), (0.9, Verdict.FAIL), (None, Verdict.REVIEW)],
)
def test_the_anomaly_score_of_the_picture_can_be_limited(score: float | None, verdict: Verdict) -> None:
    """For models that find no boxes; where the model gives no score, a person looks."""
    rules = rule_set(limits=[{"id": "odd", "total": "anomaly_score", "review_above": 0.5, "fail_above": 0.8}])
    judged = judge(rules, inspection(anomaly_score=score))
    assert judged.verdict is verdict
    assert hits(judged) == ({} if verdict is Verdict.PASS else {"odd": verdict})


@pytest.mark.parametrize("verdict", [Verdict.REVIEW, Verdict.FAIL])
def test_a_poor_picture_does_not_pass(verdict: Verdict) -> None:
    """A defect that cannot be seen is not one that is not there."""
    judged = judge(
        rule_set(image_quality=verdict.value), inspection(quality_failures=("sharpness", "contrast", "sharpness"))
    )
    assert judged.rule_hits == (
        Outcome(
            "judge:image-quality",
            verdict,
            "The picture is too poor: contrast, sharpness.",
            {"failed": "contrast, sharpness"},
        ),
    )


def test_the_verdict_is_the_worst_of_what_fired() -> None:
    """The hits come worst first, and the rest is kept."""
    rules = rule_set(limits=[{"id": "many", "total": "count", "review_above": 1}])
    judged = judge(rules, inspection(seen("stain", key="a"), seen("crack", key="b"), quality_failures=("contrast",)))
    assert judged.verdict is Verdict.FAIL
    assert [hit.rule for hit in judged.rule_hits] == ["class:crack", "class:stain", "judge:image-quality", "many"]


def test_a_judgement_names_its_rule_set() -> None:
    """Name, version and hash, so that it can be told later by what it was judged."""
    rules = rule_set()
    judged = judge(rules, inspection())
    assert (judged.rule_set, judged.rule_set_version, judged.rule_set_hash) == ("line-7", 3, rules.content_hash)


def test_a_judgement_is_plain_data_for_json() -> None:
    """With the words of the scales, and through JSON and back without a change."""
    rules = rule_set(limits=[{"id": "many", "total": "count", "fail_above": 3}])
    data = judge(rules, inspection(seen("crack"))).to_mapping()
    assert json.loads(json.dumps(data)) == data
    assert (data["verdict"], data["severity"], data["score"]) == ("FAIL", "high", 0.95)
    assert data["defects"]["1"] == {
        "severity": "high",
        "verdict": "FAIL",
        "standing": "counted",
        "rules": ["class:crack"],
        "reason": "high by 'class:crack'",
    }
    assert [hit["rule"] for hit in data["rule_hits"]] == ["class:crack"]
    assert [outcome["rule"] for outcome in data["met"]] == ["judge:image-quality", "many"]
    assert data["rule_set"] == {"name": "line-7", "version": 3, "hash": rules.content_hash}
