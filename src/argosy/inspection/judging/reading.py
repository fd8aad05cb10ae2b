"""Reads a rule set. See default.yaml beside this file for one with every part explained.

Beside wrong types and unknown keys it refuses what cannot be meant: ranges that hold nothing, severities that lead to
a better verdict than milder ones, names that stand for nothing, and rules that can never decide anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from argosy.inspection.judging.conditions import Condition, Measure, Range
from argosy.inspection.judging.fields import Field
from argosy.inspection.judging.levels import Severity, Verdict
from argosy.inspection.judging.plain_yaml import read_plain_yaml
from argosy.inspection.judging.rules import (
    DefectClass,
    Exclusion,
    Limit,
    Rule,
    RuleSet,
    Scores,
    Total,
    UnknownClass,
)
from argosy.inspection.judging.zones import Outside, Polygon, Rectangle, Shape, Zone

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MOST_CORNERS = 64
_LEAST_AREA = 1e-9
"""Of the die: what is left of three corners on one line by rounding is less."""
_DEFAULT_VERDICTS = {
    Severity.LOW: Verdict.PASS,
    Severity.MEDIUM: Verdict.REVIEW,
    Severity.HIGH: Verdict.FAIL,
    Severity.CRITICAL: Verdict.FAIL,
}


def read_rule_set(document: str | bytes) -> RuleSet:
    """The rule set in a YAML (or JSON) document.

    Raises:
        PayloadTooLarge: the document is too long.
        InvalidRequest: it is not YAML, or not a rule set; `param` is the path of the value at fault.
    """
    return rule_set_from(read_plain_yaml(document))


def default_rule_set() -> RuleSet:
    """The rule set that comes with Argosy, for the classes of the demo model."""
    return read_rule_set(resources.files(__package__).joinpath("default.yaml").read_bytes())


def rule_set_from(data: Any) -> RuleSet:
    """The rule set in plain data, such as decoded JSON.

    Raises:
        InvalidRequest: the data is not a rule set; `param` is the path of the value at fault.
    """
    root = Field(data)
    parts = root.record(
        required=("schema", "name", "version", "scores", "classes"),
        optional=(
            "description",
            "unknown_class",
            "verdicts",
            "image_quality",
            "zones",
            "ignore",
            "rules",
            "limits",
        ),
    )
    if parts["schema"].value != 1 or isinstance(parts["schema"].value, bool):
        raise parts["schema"].refuse("must be 1, the only schema that there is.")
    scores = _scores(parts["scores"])
    classes = _classes(parts["classes"], scores)
    zones = _zones(parts["zones"]) if "zones" in parts else {}
    names = _Names(classes, zones)
    ignore = [_exclusion(field, names) for field in _list(parts, "ignore")]
    rules = [_rule(field, names) for field in _list(parts, "rules")]
    limits = [_limit(field, names) for field in _list(parts, "limits")]
    _refuse_shared_ids([*ignore, *rules, *limits])
    read = RuleSet(
        name=_id(parts["name"]),
        version=parts["version"].integer(least=1),
        description=parts["description"].text(most=1000) if "description" in parts else "",
        scores=scores,
        classes=classes,
        unknown_class=_unknown_class(parts.get("unknown_class")),
        verdicts=_verdicts(parts.get("verdicts")),
        image_quality=_not_pass(parts["image_quality"]) if "image_quality" in parts else Verdict.REVIEW,
        zones=zones,
        ignore={exclusion.id: exclusion for _, exclusion in ignore},
        rules={rule.id: rule for _, rule in rules},
        limits={limit.id: limit for _, limit in limits},
    )
    _refuse_idle_exclusions(ignore)
    _refuse_idle_rules(rules, read)
    _refuse_empty_limits(limits, read)
    return read


@dataclass(frozen=True, slots=True)
class _Names:
    """What a condition may refer to."""

    classes: Mapping[str, DefectClass]
    zones: Mapping[str, Zone]


def _scores(field: Field, default: Scores | None = None) -> Scores:
    """Threshold and margin; those that are not given are the default's."""
    required = ("threshold", "margin") if default is None else ()
    parts = field.record(required, () if default is None else ("severity", "threshold", "margin"))
    scores = Scores(
        parts["threshold"].number(0, 1) if default is None or "threshold" in parts else default.threshold,
        parts["margin"].number(0, 1) if default is None or "margin" in parts else default.margin,
    )
    if scores.counts_from > 1:
        raise field.refuse(
            f"threshold + margin must be at most 1, for no score is above; it is {scores.counts_from:g}."
        )
    return scores


def _classes(field: Field, scores: Scores) -> dict[str, DefectClass]:
    classes = {}
    for name, entry in field.entries().items():
        Field(name, entry.path).text()
        if isinstance(entry.value, str):
            classes[name] = DefectClass(name, entry.choice(Severity), scores)
        else:
            parts = entry.record(("severity",), ("threshold", "margin"))
            classes[name] = DefectClass(name, parts["severity"].choice(Severity), _scores(entry, scores))
    if not classes:
        raise field.refuse("names no class; a rule set needs at least one.")
    return classes


def _unknown_class(field: Field | None) -> UnknownClass:
    if field is None:
        return UnknownClass(Severity.MEDIUM, Verdict.REVIEW)
    parts = field.record(("severity",), ("verdict",))
    verdict = _not_pass(parts["verdict"]) if "verdict" in parts else Verdict.REVIEW
    return UnknownClass(parts["severity"].choice(Severity), verdict)


def _verdicts(field: Field | None) -> dict[Severity, Verdict]:
    """Of every severity; no defect that is none is anything but a PASS."""
    verdicts = {Severity.NONE: Verdict.PASS, **_DEFAULT_VERDICTS}
    parts = {} if field is None else field.record((), [severity.value for severity in _DEFAULT_VERDICTS])
    for severity in _DEFAULT_VERDICTS:
        if severity.value in parts:
            verdicts[severity] = parts[severity.value].choice(Verdict)
    milder = Severity.NONE
    for severity in _DEFAULT_VERDICTS:
        if field is not None and verdicts[severity] < verdicts[milder]:
            at = parts.get(severity.value, field)
            raise at.refuse(
                f"'{severity}' leads to {verdicts[severity]}, but '{milder}' to {verdicts[milder]}; "
                "a worse severity must not lead to a better verdict."
            )
        milder = severity
    return verdicts


def _not_pass(field: Field) -> Verdict:
    return field.choice(Verdict, Verdict.REVIEW, Verdict.FAIL)


def _zones(field: Field) -> dict[str, Zone]:
    zones = {}
    for name, entry in field.entries().items():
        Field(name, entry.path).text()
        shapes = [_shape(shape) for shape in entry.items(least=1)]
        zones[name] = Zone(name, tuple(sorted(shapes, key=repr)))
    return zones


def _shape(field: Field) -> Shape:
    parts = field.record((), ("rectangle", "outside", "polygon"))
    if len(parts) != 1:
        raise field.refuse("must be one of 'rectangle', 'outside' and 'polygon'.")
    ((kind, part),) = parts.items()
    if kind == "polygon":
        return _polygon(part)
    x0, y0, x1, y1 = [number.number(0, 1) for number in part.items(least=4, most=4)]
    if not (x0 < x1 and y0 < y1):
        raise part.refuse("must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1, in fractions of the die.")
    return Rectangle((x0, y0, x1, y1)) if kind == "rectangle" else Outside((x0, y0, x1, y1))


def _polygon(field: Field) -> Polygon:
    corners = [corner.items(least=2, most=2) for corner in field.items(least=3, most=_MOST_CORNERS)]
    polygon = Polygon(tuple((x.number(0, 1), y.number(0, 1)) for x, y in corners))
    if polygon.area < _LEAST_AREA:
        raise field.refuse("has no area.")
    if not polygon.is_simple:
        raise field.refuse("has sides that cross or touch; name the corners in their order around it, once each.")
    return polygon


def _exclusion(field: Field, names: _Names) -> tuple[Field, Exclusion]:
    parts = field.record(("id", "when"))
    when = _condition(parts["when"], names)
    if when.touches:
        at = parts["when"].entries()["touches"]
        raise at.refuse("cannot excuse a defect, which may lie mostly elsewhere. Use 'inside'.")
    return field, Exclusion(_id(parts["id"]), when)


def _rule(field: Field, names: _Names) -> tuple[Field, Rule]:
    parts = field.record(("id", "when", "severity"))
    severity = parts["severity"].choice(Severity)
    if severity is Severity.NONE:
        raise parts["severity"].refuse("'none' changes nothing, for the worst rule wins. Put the rule under 'ignore'.")
    return field, Rule(_id(parts["id"]), _condition(parts["when"], names), severity)


def _limit(field: Field, names: _Names) -> tuple[Field, Limit]:
    parts = field.record(("id", "total"), ("of", "review_above", "fail_above"))
    total = parts["total"].choice(Total)
    most = {Total.COVERAGE_PCT: 100.0, Total.ANOMALY_SCORE: 1.0}.get(total)
    bounds = {
        name: parts[name].number(0) if most is None else parts[name].number(0, most)
        for name in ("review_above", "fail_above")
        if name in parts
    }
    if not bounds:
        raise field.refuse("limits nothing; give 'review_above', 'fail_above' or both.")
    if len(bounds) == 2 and bounds["review_above"] >= bounds["fail_above"]:
        raise parts["review_above"].refuse(
            f"must be below 'fail_above', or nothing is left for REVIEW; they are {bounds['review_above']:g} and "
            f"{bounds['fail_above']:g}."
        )
    if total is Total.ANOMALY_SCORE and "of" in parts:
        raise parts["of"].refuse("has no meaning for 'anomaly_score', which is one of the whole picture.")
    of = _condition(parts["of"], names) if "of" in parts else None
    return field, Limit(_id(parts["id"]), total, of, bounds.get("review_above"), bounds.get("fail_above"))


def _condition(field: Field, names: _Names) -> Condition:
    parts = field.record((), ("class", *(measure.value for measure in Measure), "touches", "inside"))
    if not parts:
        raise field.refuse("names no condition, so it would hold for every defect.")
    return Condition(
        classes=_references(parts.get("class"), names.classes, "class", "classes"),
        sizes=tuple((measure, _range(parts[measure])) for measure in sorted(Measure) if measure in parts),
        touches=_references(parts.get("touches"), names.zones, "zone", "zones"),
        inside=_references(parts.get("inside"), names.zones, "zone", "zones"),
    )


def _references(field: Field | None, known: Mapping[str, object], what: str, where: str) -> frozenset[str]:
    if field is None:
        return frozenset()
    for name in field.names():
        if name.value not in known:
            raise name.refuse(f"{name.value!r} is not a {what} of this rule set; add it under '{where}'.")
    return frozenset(name.value for name in field.names())


def _range(field: Field) -> Range:
    parts = field.record((), ("at_least", "below"))
    bounds = {name: part.number(0) for name, part in parts.items()}
    if not bounds:
        raise field.refuse("has no bound; give 'at_least', 'below' or both.")
    if bounds.get("below") == 0:
        raise parts["below"].refuse("is 0, and no size is below it.")
    wanted = Range(bounds.get("at_least"), bounds.get("below"))
    if wanted.at_least is not None and wanted.below is not None and wanted.at_least >= wanted.below:
        raise field.refuse(
            f"holds no size: 'at_least' must be less than 'below'; they are {wanted.at_least:g} and {wanted.below:g}."
        )
    return wanted


def _id(field: Field) -> str:
    text = field.text()
    if _ID.fullmatch(text) is None:
        raise field.refuse("must be small letters, digits and single hyphens, such as 'crack-on-pad'.")
    return text


def _list(parts: Mapping[str, Field], name: str) -> list[Field]:
    return parts[name].items() if name in parts else []


def _refuse_shared_ids(entries: Iterable[tuple[Field, Exclusion | Rule | Limit]]) -> None:
    """A verdict names what fired by its id alone."""
    first: dict[str, str] = {}
    for field, entry in entries:
        if entry.id in first:
            raise field.entries()["id"].refuse(f"{entry.id!r} is the id of {first[entry.id]} too; ids are unique.")
        first[entry.id] = field.path


def _refuse_idle_exclusions(ignore: list[tuple[Field, Exclusion]]) -> None:
    for index, (field, exclusion) in enumerate(ignore):
        for other_index, (other, wider) in enumerate(ignore):
            # Of two that are the same, the second is idle.
            if wider.when.covers(exclusion.when) and (other_index < index or not exclusion.when.covers(wider.when)):
                raise field.entries()["when"].refuse(f"holds for nothing that {other.path} ({wider.id}) leaves over.")


def _refuse_idle_rules(rules: list[tuple[Field, Rule]], read: RuleSet) -> None:
    """A rule that never decides is a slip: somebody believes that it does something."""
    for index, (field, rule) in enumerate(rules):
        at = field.entries()["when"]
        for exclusion in read.ignore.values():
            if exclusion.when.covers(rule.when):
                raise at.refuse(f"holds only for defects that {exclusion.id!r} under 'ignore' takes away.")
        own = [read.classes[name].severity for name in sorted(rule.when.classes or read.classes)]
        if not rule.when.classes:
            own.append(read.unknown_class.severity)
        if rule.severity <= min(own):
            raise at.refuse(f"never decides: by their classes, all such defects are at least '{min(own)}'.")
        for other_index, (other, wider) in enumerate(rules):
            same = wider.severity == rule.severity and rule.when.covers(wider.when)
            decides = wider.severity >= rule.severity and wider.when.covers(rule.when)
            if decides and (other_index < index or not same):
                raise at.refuse(
                    f"never decides: {other.path} ({wider.id}) makes all such defects '{wider.severity}' already."
                )


def _refuse_empty_limits(limits: list[tuple[Field, Limit]], read: RuleSet) -> None:
    for field, limit in limits:
        for exclusion in read.ignore.values():
            if limit.of is not None and exclusion.when.covers(limit.of):
                raise field.entries()["of"].refuse(
                    f"holds only for defects that {exclusion.id!r} under 'ignore' takes away."
                )
