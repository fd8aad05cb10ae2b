from __future__ import annotations

import math
import re
from typing import Any

import pytest

from argosy.core.errors import InvalidRequest
from argosy.inspection.judging.conditions import Measure, Range
from argosy.inspection.judging.levels import Severity, Verdict
from argosy.inspection.judging.reading import read_rule_set, rule_set_from
from argosy.inspection.judging.rules import Scores
from argosy.inspection.judging.zones import Outside, Polygon, Rectangle
from tests.unit.inspection.judging.examples import document, rule_set

ZONES = {"pad": [{"rectangle": [0.1, 0.1, 0.2, 0.2]}]}


def rule(**parts: Any) -> dict[str, Any]:
    return {"id": "long", "when": {"class": "scratch"}, "severity": "high", **parts}


def limit(**parts: Any) -> dict[str, Any]:
    return {"id": "many", "total": "count", "fail_above": 9, **parts}


def ignore(**when: Any) -> dict[str, Any]:
    return {"id": "excused", "when": when}


def with_rule(**parts: Any) -> dict[str, Any]:
    return {"rules": [rule(**parts)]}


def when(**parts: Any) -> dict[str, Any]:
    return {"zones": ZONES, **with_rule(when=parts)}


def zone(**shape: Any) -> dict[str, Any]:
    return {"zones": {"pad": [shape]}}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    # The rule set itself.
    (
        {"shema": 1},
        "shema",
        "is not a known key. Use 'schema', 'name', 'version', 'scores', 'classes', 'description', ",
    ),
    ({"schema": 2}, "schema", "must be 1, the only schema that there is."),
    ({"schema": True}, "schema", "must be 1, the only schema that there is."),
    ({"name": 7}, "name", "must be text; it is a number."),
    ({"name": "Line 7"}, "name", "must be small letters, digits and single hyphens, such as 'crack-on-pad'."),
    ({"name": ""}, "name", "must be 1 to 64 characters with no space around them."),
    ({"name": " a"}, "name", "must be 1 to 64 characters with no space around them."),
    ({"name": "a" * 65}, "name", "must be 1 to 64 characters with no space around them."),
    ({"version": 0}, "version", "must be a whole number of at least 1."),
    ({"version": 1 << 53}, "version", "must be a whole number of at least 1."),
    ({"version": 1.0}, "version", "must be a whole number; it is a number."),
    ({"version": True}, "version", "must be a whole number; it is true or false."),
    ({"description": "a\nb"}, "description", "must be one line of printable characters."),
    ({"image_quality": "PASS"}, "image_quality", "must be 'REVIEW' or 'FAIL'; it is 'PASS'."),
    ({"image_quality": 3}, "image_quality", "must be 'REVIEW' or 'FAIL'; it is a number."),
    # Scores.
    ({"scores": {"margin": 0.1}}, "scores", "lacks 'threshold'."),
    ({"scores": None}, "scores", "must be a mapping; it is empty."),
    ({"scores": {"threshold": "0.75", "margin": 0}}, "scores.threshold", "must be a number; it is text."),
    ({"scores": {"threshold": 75, "margin": 0}}, "scores.threshold", "must be from 0 to 1; it is 75."),
    ({"scores": {"threshold": 0.5, "margin": -0.1}}, "scores.margin", "must be from 0 to 1; it is -0.1."),
    ({"scores": {"threshold": math.nan, "margin": 0}}, "scores.threshold", "must be a finite number."),
    ({"scores": {"threshold": 10**400, "margin": 0}}, "scores.threshold", "must be a finite number."),
    (
        {"scores": {"threshold": 0.95, "margin": 0.1}},
        "scores",
        "threshold + margin must be at most 1, for no score is above; it is 1.05.",
    ),
    # Classes.
    ({"classes": {}}, "classes", "names no class; a rule set needs at least one."),
    ({"classes": ["crack"]}, "classes", "must be a mapping; it is a list."),
    ({"classes": {False: "low"}}, "classes", "has a key that is true or false; put it in quotes."),
    ({"classes": {"a\n": "low"}}, "classes", "has a key with more than 64 characters, or with one that cannot be "),
    ({"classes": {"a" * 65: "low"}}, "classes", "has a key with more than 64 characters, or with one that cannot be "),
    ({"classes": {" a": "low"}}, "classes. a", "must be 1 to 64 characters with no space around them."),
    ({"classes": {str(n): "low" for n in range(257)}}, "classes", "has 257 entries; 256 are allowed."),
    (
        {"classes": {"crack": "bad"}},
        "classes.crack",
        "must be 'none', 'low', 'medium', 'high' or 'critical'; it is 'bad'.",
    ),
    ({"classes": {"crack": 3}}, "classes.crack", "must be a mapping; it is a number."),
    ({"classes": {"crack": {"threshold": 0.5}}}, "classes.crack", "lacks 'severity'."),
    (
        {"classes": {"crack": {"severity": "low", "score": 1}}},
        "classes.crack.score",
        "is not a known key. Use 'severity', 'threshold' and 'margin'.",
    ),
    (
        {"classes": {"crack": {"severity": "low", "threshold": 0.95}}},
        "classes.crack",
        "threshold + margin must be at most 1, for no score is above; it is 1.05.",
    ),
    ({"unknown_class": "medium"}, "unknown_class", "must be a mapping; it is text."),
    (
        {"unknown_class": {"severity": "low", "verdict": "PASS"}},
        "unknown_class.verdict",
        "must be 'REVIEW' or 'FAIL'; it is 'PASS'.",
    ),
    # Verdicts.
    (
        {"verdicts": {"none": "PASS"}},
        "verdicts.none",
        "is not a known key. Use 'low', 'medium', 'high' and 'critical'.",
    ),
    ({"verdicts": {"low": "pass"}}, "verdicts.low", "must be 'PASS', 'REVIEW' or 'FAIL'; it is 'pass'."),
    (
        {"verdicts": {"medium": "FAIL", "high": "REVIEW"}},
        "verdicts.high",
        "'high' leads to REVIEW, but 'medium' to FAIL; a worse severity must not lead to a better verdict.",
    ),
    (
        {"verdicts": {"low": "FAIL"}},
        "verdicts",
        "'medium' leads to REVIEW, but 'low' to FAIL; a worse severity must not lead to a better verdict.",
    ),
    # Zones.
    ({"zones": {"pad": {"rectangle": [0, 0, 1, 1]}}}, "zones.pad", "must be a list; it is a mapping."),
    ({"zones": {"pad": []}}, "zones.pad", "has 0 entries; 1 to 256 are allowed."),
    (zone(), "zones.pad[0]", "must be one of 'rectangle', 'outside' and 'polygon'."),
    (
        zone(rectangle=[0, 0, 1, 1], outside=[0, 0, 1, 1]),
        "zones.pad[0]",
        "must be one of 'rectangle', 'outside' and 'polygon'.",
    ),
    (zone(circle=[0, 0, 1]), "zones.pad[0].circle", "is not a known key. Use 'rectangle', 'outside' and 'polygon'."),
    (zone(rectangle=[0, 0, 1]), "zones.pad[0].rectangle", "has 3 entries; 4 are allowed."),
    (zone(outside=[0, 0, 1, 2]), "zones.pad[0].outside[3]", "must be from 0 to 1; it is 2."),
    (
        zone(rectangle=[0.2, 0, 0.2, 1]),
        "zones.pad[0].rectangle",
        "must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1, in fractions of the die.",
    ),
    (zone(polygon=[[0, 0], [1, 1]]), "zones.pad[0].polygon", "has 2 entries; 3 to 64 are allowed."),
    (zone(polygon=[[0, 0], [1, 1], [1]]), "zones.pad[0].polygon[2]", "has 1 entry; 2 are allowed."),
    (zone(polygon=[[0, 0], [0.5, 0.5], [1, 1]]), "zones.pad[0].polygon", "has no area."),
    (zone(polygon=[[0.1, 0.1], [0.3, 0.3], [0.7, 0.7]]), "zones.pad[0].polygon", "has no area."),
    (
        zone(polygon=[[0, 0], [1, 1], [1, 0], [0, 0.5]]),
        "zones.pad[0].polygon",
        "has sides that cross or touch; name the corners in their order around it, once each.",
    ),
    # Conditions.
    (with_rule(when={}), "rules[0].when", "names no condition, so it would hold for every defect."),
    (
        when(colour="red"),
        "rules[0].when.colour",
        "is not a known key. Use 'class', 'area_px', 'area_um2', 'length_px', 'length_um', 'touches' and 'inside'.",
    ),
    (when(**{"class": "bridge"}), "rules[0].when.class", "'bridge' is not a class of this rule set; add it under "),
    (when(**{"class": ["crack", "dent"]}), "rules[0].when.class[1]", "'dent' is not a class of this rule set; add it "),
    (when(**{"class": ["crack", "crack"]}), "rules[0].when.class[1]", "'crack' is given twice."),
    (when(**{"class": []}), "rules[0].when.class", "has 0 entries; 1 to 256 are allowed."),
    (when(**{"class": 5}), "rules[0].when.class", "must be a list; it is a number."),
    (when(touches="edge"), "rules[0].when.touches", "'edge' is not a zone of this rule set; add it under 'zones'."),
    (when(area_px=50), "rules[0].when.area_px", "must be a mapping; it is a number."),
    (when(area_px={}), "rules[0].when.area_px", "has no bound; give 'at_least', 'below' or both."),
    (when(area_px={"above": 5}), "rules[0].when.area_px.above", "is not a known key. Use 'at_least' and 'below'."),
    (when(area_px={"at_least": -5}), "rules[0].when.area_px.at_least", "must be at least 0; it is -5."),
    (when(area_px={"below": 0}), "rules[0].when.area_px.below", "is 0, and no size is below it."),
    (
        when(area_px={"at_least": 50, "below": 20}),
        "rules[0].when.area_px",
        "holds no size: 'at_least' must be less than 'below'; they are 50 and 20.",
    ),
    (
        when(area_px={"at_least": 50, "below": 50}),
        "rules[0].when.area_px",
        "holds no size: 'at_least' must be less than 'below'; they are 50 and 50.",
    ),
    # Rules and exclusions.
    ({"rules": {}}, "rules", "must be a list; it is a mapping."),
    ({"rules": ["crack"]}, "rules[0]", "must be a mapping; it is text."),
    (with_rule(id="Long one"), "rules[0].id", "must be small letters, digits and single hyphens, such as "),
    (
        with_rule(severity="none"),
        "rules[0].severity",
        "'none' changes nothing, for the worst rule wins. Put the rule under 'ignore'.",
    ),
    (
        {"zones": ZONES, "ignore": [ignore(touches="pad")]},
        "ignore[0].when.touches",
        "cannot excuse a defect, which may lie mostly elsewhere. Use 'inside'.",
    ),
    (
        {"rules": [rule()], "limits": [limit(id="long")]},
        "limits[0].id",
        "'long' is the id of rules[0] too; ids are unique.",
    ),
    # Rules that never decide.
    (
        with_rule(severity="low"),
        "rules[0].when",
        "never decides: by their classes, all such defects are at least 'low'.",
    ),
    (
        {
            "classes": {"crack": "high"},
            "unknown_class": {"severity": "medium"},
            **with_rule(when={"area_px": {"below": 9}}, severity="medium"),
        },
        "rules[0].when",
        "never decides: by their classes, all such defects are at least 'medium'.",
    ),
    (
        {"rules": [rule(), rule(id="b", when={"class": "scratch", "area_px": {"at_least": 5}}, severity="medium")]},
        "rules[1].when",
        "never decides: rules[0] (long) makes all such defects 'high' already.",
    ),
    (
        {"rules": [rule(when={"class": "scratch", "area_px": {"at_least": 5}}), rule(id="b", severity="critical")]},
        "rules[0].when",
        "never decides: rules[1] (b) makes all such defects 'critical' already.",
    ),
    (
        {"rules": [rule(), rule(id="b")]},
        "rules[1].when",
        "never decides: rules[0] (long) makes all such defects 'high' already.",
    ),
    (
        {"ignore": [ignore(**{"class": "scratch"})], **with_rule()},
        "rules[0].when",
        "holds only for defects that 'excused' under 'ignore' takes away.",
    ),
    (
        {"ignore": [ignore(**{"class": "scratch"}), {**ignore(**{"class": "scratch"}), "id": "b"}]},
        "ignore[1].when",
        "holds for nothing that ignore[0] (excused) leaves over.",
    ),
    (
        {"ignore": [ignore(area_px={"below": 5}), {**ignore(area_px={"below": 6}), "id": "b"}]},
        "ignore[0].when",
        "holds for nothing that ignore[1] (b) leaves over.",
    ),
    # Limits.
    ({"limits": [{"id": "many", "total": "count"}]}, "limits[0]", "limits nothing; give 'review_above', "),
    (
        {"limits": [limit(total="length")]},
        "limits[0].total",
        "must be 'count', 'area_px', 'area_um2', 'density_per_cm2', 'coverage_pct' or 'anomaly_score'; it is 'length'.",
    ),
    ({"limits": [limit(fail_above=-1)]}, "limits[0].fail_above", "must be at least 0; it is -1."),
    (
        {"limits": [limit(total="coverage_pct", fail_above=101)]},
        "limits[0].fail_above",
        "must be from 0 to 100; it is ",
    ),
    ({"limits": [limit(total="anomaly_score")]}, "limits[0].fail_above", "must be from 0 to 1; it is 9."),
    (
        {"limits": [limit(review_above=9)]},
        "limits[0].review_above",
        "must be below 'fail_above', or nothing is left for REVIEW; they are 9 and 9.",
    ),
    (
        {"limits": [limit(total="anomaly_score", fail_above=0.5, of={"class": "crack"})]},
        "limits[0].of",
        "has no meaning for 'anomaly_score', which is one of the whole picture.",
    ),
    ({"limits": [limit(of={})]}, "limits[0].of", "names no condition, so it would hold for every defect."),
    (
        {"ignore": [ignore(**{"class": "dust"})], "limits": [limit(of={"class": "dust"})]},
        "limits[0].of",
        "holds only for defects that 'excused' under 'ignore' takes away.",
    ),
]


@pytest.mark.parametrize(
    ("parts", "path", "message"), REFUSED, ids=[f"{path}-{text[:24]}" for _, path, text in REFUSED]
)
def test_what_cannot_be_meant_is_refused_with_its_path(parts: dict[str, Any], path: str, message: str) -> None:
    """The message names the place and says what is wrong there."""
    with pytest.raises(InvalidRequest, match=f"^{re.escape(f'{path}: {message}')}") as refused:
        rule_set_from(document(**parts))
    assert refused.value.param == path


@pytest.mark.parametrize("missing", ["schema", "name", "version", "scores", "classes"])
def test_what_is_needed_cannot_be_left_out(missing: str) -> None:
    """The key is named; the path is the rule set itself."""
    with pytest.raises(InvalidRequest, match=f"^The rule set: lacks '{missing}'.$") as refused:
        rule_set_from({key: value for key, value in document().items() if key != missing})
    assert refused.value.param is None


@pytest.mark.parametrize(("text", "found"), [("", "empty"), ("- 1", "a list"), ("hello", "text")])
def test_a_document_of_another_kind_is_refused(text: str, found: str) -> None:
    """It is YAML, but no mapping."""
    with pytest.raises(InvalidRequest, match=f"^The rule set: must be a mapping; it is {found}.$"):
        read_rule_set(text)


def test_words_that_yaml_reads_as_something_else_are_refused() -> None:
    """A bare date or `no` is not text."""
    text = "schema: 1\nname: {}\nversion: 1\nscores: {{threshold: 0.5, margin: 0}}\nclasses: {{crack: high}}\n"
    with pytest.raises(InvalidRequest, match=r"^name: must be text; it is true or false\.$"):
        read_rule_set(text.format("no"))
    with pytest.raises(InvalidRequest, match=r"^name: must be text; it is of another kind; put it in quotes"):
        read_rule_set(text.format("2026-11-20"))


def test_the_least_rule_set_has_cautious_defaults() -> None:
    """Medium is looked at, high fails, and what is not known or not seen well is looked at."""
    least = rule_set()
    assert least.verdicts == {
        Severity.NONE: Verdict.PASS,
        Severity.LOW: Verdict.PASS,
        Severity.MEDIUM: Verdict.REVIEW,
        Severity.HIGH: Verdict.FAIL,
        Severity.CRITICAL: Verdict.FAIL,
    }
    assert (least.unknown_class.severity, least.unknown_class.verdict) == (Severity.MEDIUM, Verdict.REVIEW)
    assert least.image_quality is Verdict.REVIEW
    assert [least.zones, least.ignore, least.rules, least.limits] == [{}, {}, {}, {}]


def test_every_part_is_read() -> None:
    """Into the values that the judge works with."""
    read = rule_set(
        classes={"crack": {"severity": "high", "threshold": 0.5}, "foreign object": "low"},
        zones={
            "pad": [{"rectangle": [0, 0, 0.5, 0.5]}, {"polygon": [[0, 0], [1, 0], [0, 1]]}],
            "edge": [{"outside": [0.1, 0.1, 0.9, 0.9]}],
        },
        rules=[
            {
                "id": "r1",
                "when": {"class": "foreign object", "length_um": {"below": 5}, "area_px": {"at_least": 2}},
                "severity": "high",
            },
            {"id": "r2", "when": {"touches": "edge", "inside": ["pad", "edge"]}, "severity": "critical"},
        ],
        limits=[limit(review_above=2)],
    )
    assert read.classes["crack"].scores == Scores(0.5, 0.1)
    assert set(read.zones["pad"].shapes) == {
        Rectangle((0.0, 0.0, 0.5, 0.5)),
        Polygon(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))),
    }
    assert read.zones["edge"].shapes == (Outside((0.1, 0.1, 0.9, 0.9)),)
    assert read.rules["r1"].when.classes == {"foreign object"}
    assert dict(read.rules["r1"].when.sizes) == {Measure.AREA_PX: Range(2.0), Measure.LENGTH_UM: Range(below=5.0)}
    assert (read.rules["r2"].when.touches, read.rules["r2"].when.inside) == ({"edge"}, {"pad", "edge"})
    assert (read.limits["many"].review_above, read.limits["many"].fail_above) == (2.0, 9.0)


def test_bands_of_one_size_may_grow_worse() -> None:
    """Each step is worse than the one before, so each decides for its own sizes."""
    steps = [(5, "medium"), (50, "high"), (500, "critical")]
    read = rule_set(
        rules=[
            rule(id=f"over-{size}", when={"class": "scratch", "area_px": {"at_least": size}}, severity=severity)
            for size, severity in steps
        ]
    )
    assert len(read.rules) == 3
