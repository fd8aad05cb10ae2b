"""A rule set: what is bad, how bad, and how much of it is too much. `argosy.inspection.judging.reading` reads one.

A defect is judged in this order:

    ignored       it meets a condition under `ignore`: it does not count at all
    threshold     its score is at least threshold + margin: it counts; at most threshold - margin: it does not;
                  between them (|score - threshold| < margin): it counts as possible, and leads to REVIEW at most
    severity      the worst of its class's own and of every rule that it meets

`verdicts` says what a severity leads to. Limits speak of all defects together. The worst of all is the verdict. So the
order in which rules are written decides nothing, and a rule more never makes a verdict better.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from argosy.inspection.judging.conditions import Condition
from argosy.inspection.judging.levels import Severity, Verdict
from argosy.inspection.judging.zones import Zone

_DIGITS = 12
"""Sums of scores are rounded to these: 0.7 + 0.1 is not 0.8 in binary, and a rule means what is written."""


class Standing(StrEnum):
    """What a defect counts for."""

    COUNTED = "counted"
    POSSIBLE = "possible"
    BELOW_THRESHOLD = "below_threshold"
    IGNORED = "ignored"


class Total(StrEnum):
    """What a limit limits.

    `coverage_pct` is the sum of the areas in percent of the frame; areas that overlap are counted twice.
    """

    COUNT = "count"
    AREA_PX = "area_px"
    AREA_UM2 = "area_um2"
    DENSITY_PER_CM2 = "density_per_cm2"
    COVERAGE_PCT = "coverage_pct"
    ANOMALY_SCORE = "anomaly_score"


@dataclass(frozen=True, slots=True)
class Scores:
    """From which score on a defect counts, and how near to that nobody can be sure; both from 0 to 1."""

    threshold: float
    margin: float

    @property
    def counts_from(self) -> float:
        """The least score that counts in full."""
        return round(self.threshold + self.margin, _DIGITS)

    @property
    def nothing_to(self) -> float:
        """The highest score that does not count, if there is a margin."""
        return round(self.threshold - self.margin, _DIGITS)

    def standing(self, score: float) -> Standing:
        """What a defect of this score counts for."""
        if score >= self.counts_from:
            return Standing.COUNTED
        return Standing.POSSIBLE if score > self.nothing_to and self.margin else Standing.BELOW_THRESHOLD

    def to_mapping(self) -> dict[str, float]:
        """As it stands in a rule set."""
        return {"threshold": self.threshold, "margin": self.margin}


@dataclass(frozen=True, slots=True)
class DefectClass:
    """A class that the rule set knows.

    Attributes:
        severity: of a defect of it that meets no rule.
        scores: the class's own, or the rule set's.
    """

    name: str
    severity: Severity
    scores: Scores


@dataclass(frozen=True, slots=True)
class UnknownClass:
    """What a defect of any other class is, and the least that it leads to."""

    severity: Severity
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """A defect that meets `when` is at least this severe."""

    id: str
    when: Condition
    severity: Severity


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A defect that meets `when` does not count."""

    id: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Limit:
    """How much there may be of all defects together.

    Attributes:
        total: what is limited.
        of: which defects; None for all.
        review_above: a value above it leads to REVIEW; None never does.
        fail_above: a value above it leads to FAIL; None never does.
    """

    id: str
    total: Total
    of: Condition | None
    review_above: float | None
    fail_above: float | None

    @property
    def met_to(self) -> float:
        """The highest value that meets the limit."""
        return min(bound for bound in (self.review_above, self.fail_above) if bound is not None)

    def to_mapping(self) -> dict[str, Any]:
        """As it stands in a rule set."""
        parts = {
            "id": self.id,
            "total": self.total.value,
            "of": None if self.of is None else self.of.to_mapping(),
            "review_above": self.review_above,
            "fail_above": self.fail_above,
        }
        return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules under one name and version.

    Attributes:
        name: what products and recipes refer to.
        version: counts up from 1 with each change.
        scores: for classes without their own and for unknown classes.
        classes: by name.
        unknown_class: for all other classes.
        verdicts: what each severity leads to; not better for a worse severity, and PASS for `none`.
        image_quality: what a failed check of the picture leads to.
        zones: by name.
        ignore: exclusions, by id.
        rules: by id.
        limits: by id.
        content_hash: SHA-256, in hexadecimal, of all that can change a judgement: equal for equal rules, however they
            are written, and whatever their name, version and description.
    """

    name: str
    version: int
    description: str
    scores: Scores
    classes: Mapping[str, DefectClass]
    unknown_class: UnknownClass
    verdicts: Mapping[Severity, Verdict]
    image_quality: Verdict
    zones: Mapping[str, Zone]
    ignore: Mapping[str, Exclusion]
    rules: Mapping[str, Rule]
    limits: Mapping[str, Limit]
    content_hash: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        judged_by = {
            key: value for key, value in self.to_mapping().items() if key not in {"name", "version", "description"}
        }
        canonical = json.dumps(judged_by, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        object.__setattr__(self, "content_hash", hashlib.sha256(canonical.encode()).hexdigest())

    def to_mapping(self) -> dict[str, Any]:
        """Plain data that `rule_set_from` reads back; lists in the order of their ids."""
        return {
            "schema": 1,
            "name": self.name,
            "version": self.version,
            **({"description": self.description} if self.description else {}),
            "scores": self.scores.to_mapping(),
            "classes": {
                name: {"severity": known.severity.value, **known.scores.to_mapping()}
                for name, known in sorted(self.classes.items())
            },
            "unknown_class": {
                "severity": self.unknown_class.severity.value,
                "verdict": self.unknown_class.verdict.value,
            },
            "verdicts": {
                severity.value: verdict.value
                for severity, verdict in sorted(self.verdicts.items())
                if severity is not Severity.NONE
            },
            "image_quality": self.image_quality.value,
            "zones": {name: [shape.to_mapping() for shape in zone.shapes] for name, zone in sorted(self.zones.items())},
            "ignore": [
                {"id": exclusion.id, "when": exclusion.when.to_mapping()}
                for _, exclusion in sorted(self.ignore.items())
            ],
            "rules": [
                {"id": rule.id, "when": rule.when.to_mapping(), "severity": rule.severity.value}
                for _, rule in sorted(self.rules.items())
            ],
            "limits": [limit.to_mapping() for _, limit in sorted(self.limits.items())],
        }
