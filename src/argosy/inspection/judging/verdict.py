"""Judges one inspection by one rule set. Pure; the order of the defects changes nothing.

A defect more never makes a verdict better: every total that is limited only grows with it, and the worst outcome wins.
A size that a rule asks for and that is not known leads to REVIEW where the rule could have led to something worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argosy.inspection.judging.levels import Severity, Verdict
from argosy.inspection.judging.rules import Limit, RuleSet, Standing, Total
from argosy.inspection.judging.seen import Inspection, Seen

SEVERITY = "judge:severity"
UNKNOWN_CLASS = "judge:unknown-class"
LOW_MARGIN = "judge:low-margin"
UNMEASURED = "judge:unmeasured"
IMAGE_QUALITY = "judge:image-quality"

_CM2_PER_UM2 = 1e-8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule, or one limit, came to.

    Attributes:
        rule: its id; `class:<name>` for the severity of a class, `judge:<name>` for what every rule set has.
        verdict: what it leads to on its own; PASS for a limit that was met.
        what: one sentence for people.
        values: what it compared.
        defects: ids of the defects that it speaks of, in order.
    """

    rule: str
    verdict: Verdict
    what: str
    values: Mapping[str, float | str]
    defects: tuple[str, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "rule": self.rule,
            "verdict": self.verdict.value,
            "what": self.what,
            "values": dict(self.values),
            "defects": list(self.defects),
        }


@dataclass(frozen=True, slots=True)
class DefectJudgement:
    """What became of one defect.

    Attributes:
        severity: `none` when it does not count.
        verdict: what it leads to on its own.
        standing: what it counts for.
        rules: ids of the rules that gave the severity, or that excused it; empty below the threshold.
        reason: one sentence for people.
    """

    severity: Severity
    verdict: Verdict
    standing: Standing
    rules: tuple[str, ...]
    reason: str

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "severity": self.severity.value,
            "verdict": self.verdict.value,
            "standing": self.standing.value,
            "rules": list(self.rules),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on an inspection, and all that led to it.

    Attributes:
        verdict: the worst of `rule_hits`; PASS without any.
        severity: the worst of the defects that count or may count.
        score: the highest of the defects that are not ignored, 0 without any: what a threshold is calibrated on.
        defects: by id, in the order of the ids.
        rule_hits: what led away from PASS, worst first.
        met: what could have, and did not; never empty for a PASS.
        rule_set: name of the rule set.
        rule_set_version: its version.
        rule_set_hash: its `content_hash`.
    """

    verdict: Verdict
    severity: Severity
    score: float
    defects: Mapping[str, DefectJudgement]
    rule_hits: tuple[Outcome, ...]
    met: tuple[Outcome, ...]
    rule_set: str
    rule_set_version: int
    rule_set_hash: str

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verdict": self.verdict.value,
            "severity": self.severity.value,
            "score": self.score,
            "defects": {name: defect.to_mapping() for name, defect in self.defects.items()},
            "rule_hits": [hit.to_mapping() for hit in self.rule_hits],
            "met": [outcome.to_mapping() for outcome in self.met],
            "rule_set": {"name": self.rule_set, "version": self.rule_set_version, "hash": self.rule_set_hash},
        }


def judge(rule_set: RuleSet, inspection: Inspection) -> Judgement:
    """The verdict of the rule set on the inspection."""
    assessed = [
        _assess(rule_set, inspection, defect) for defect in sorted(inspection.defects, key=lambda seen: seen.id)
    ]
    outcomes = [
        *_severities(rule_set, assessed),
        *(_limit(limit, rule_set, inspection, assessed) for limit in rule_set.limits.values()),
        _image_quality(rule_set, inspection),
    ]
    outcomes.sort(key=lambda outcome: (-outcome.verdict.rank, outcome.rule))
    return Judgement(
        verdict=max(outcome.verdict for outcome in outcomes),
        severity=max((item.judgement.severity for item in assessed), default=Severity.NONE),
        score=max((item.seen.score for item in assessed if not item.ignored), default=0.0),
        defects={item.seen.id: item.judgement for item in assessed},
        rule_hits=tuple(outcome for outcome in outcomes if outcome.verdict is not Verdict.PASS),
        met=tuple(outcome for outcome in outcomes if outcome.verdict is Verdict.PASS),
        rule_set=rule_set.name,
        rule_set_version=rule_set.version,
        rule_set_hash=rule_set.content_hash,
    )


@dataclass(frozen=True, slots=True)
class _Fired:
    """A rule that leads away from PASS for one defect."""

    rule: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Assessed:
    """A defect, what became of it, and what fired for it."""

    seen: Seen
    judgement: DefectJudgement
    fired: tuple[_Fired, ...] = ()

    @property
    def ignored(self) -> bool:
        return self.judgement.standing is Standing.IGNORED

    @property
    def counted(self) -> bool:
        return self.judgement.standing is Standing.COUNTED

    @property
    def possible(self) -> bool:
        return self.counted or self.judgement.standing is Standing.POSSIBLE


def _assess(rule_set: RuleSet, inspection: Inspection, seen: Seen) -> _Assessed:
    excuses = [
        exclusion.id
        for exclusion in rule_set.ignore.values()
        if exclusion.when.met_by(seen, inspection, rule_set.zones)
    ]
    if excuses:
        return _Assessed(seen, _without_effect(Standing.IGNORED, sorted(excuses), f"ignored by {_listed(excuses)}"))
    known = rule_set.classes.get(seen.name)
    scores = rule_set.scores if known is None else known.scores
    standing = scores.standing(seen.score)
    if standing is Standing.BELOW_THRESHOLD:
        reason = f"score {seen.score:g} is below the threshold {scores.threshold:g}"
        return _Assessed(seen, _without_effect(standing, [], reason))

    found = _find_severity(rule_set, inspection, seen)
    fired = _fired(rule_set, found, standing)
    reason = f"{found.severity} by {_listed(found.rules)}"
    if standing is Standing.POSSIBLE:
        reason += f"; score {seen.score:g} is within {scores.margin:g} of the threshold {scores.threshold:g}"
    if found.unmeasured:
        reason += f"; not measured for {_listed(found.unmeasured)}"
    verdict = max((item.verdict for item in fired), default=Verdict.PASS)
    return _Assessed(seen, DefectJudgement(found.severity, verdict, standing, found.rules, reason), fired)


def _without_effect(standing: Standing, rules: Sequence[str], reason: str) -> DefectJudgement:
    return DefectJudgement(Severity.NONE, Verdict.PASS, standing, tuple(rules), reason)


@dataclass(frozen=True, slots=True)
class _Found:
    """The severity of a defect.

    Attributes:
        severity: the worst that is sure.
        rules: that gave it, in order.
        at_worst: what it could be, if what was not measured were known.
        unmeasured: rules that would give something worse than `severity`, in order.
        unknown: whether the rule set does not know the class.
    """

    severity: Severity
    rules: tuple[str, ...]
    at_worst: Severity
    unmeasured: tuple[str, ...]
    unknown: bool


def _find_severity(rule_set: RuleSet, inspection: Inspection, seen: Seen) -> _Found:
    known = rule_set.classes.get(seen.name)
    own = (rule_set.unknown_class.severity, UNKNOWN_CLASS) if known is None else (known.severity, f"class:{known.name}")
    met = [(rule, rule.when.met_by(seen, inspection, rule_set.zones)) for rule in rule_set.rules.values()]
    sure = [own, *((rule.severity, rule.id) for rule, held in met if held)]
    severity = max(level for level, _ in sure)
    worse = [rule for rule, held in met if held is None and rule.severity > severity]
    return _Found(
        severity=severity,
        rules=tuple(sorted(name for level, name in sure if level == severity)),
        at_worst=max((rule.severity for rule in worse), default=severity),
        unmeasured=tuple(sorted(rule.id for rule in worse)),
        unknown=known is None,
    )


def _fired(rule_set: RuleSet, found: _Found, standing: Standing) -> tuple[_Fired, ...]:
    """What leads away from PASS; nothing for a defect that may go through at its worst."""
    sure = rule_set.verdicts[found.severity]
    fired = [_Fired(rule, sure) for rule in found.rules if rule != UNKNOWN_CLASS and sure > Verdict.PASS]
    if found.unknown:
        of_class = rule_set.verdicts[rule_set.unknown_class.severity]
        fired.append(_Fired(UNKNOWN_CLASS, max(of_class, rule_set.unknown_class.verdict)))
    if found.unmeasured and rule_set.verdicts[found.at_worst] > Verdict.PASS:
        fired.append(_Fired(UNMEASURED, Verdict.REVIEW))
    if standing is Standing.POSSIBLE and fired:
        return (_Fired(LOW_MARGIN, Verdict.REVIEW),)
    return tuple(fired)


def _severities(rule_set: RuleSet, assessed: Iterable[_Assessed]) -> list[Outcome]:
    """One outcome for each rule that fired for some defect; that all may go through, when none did."""
    by_rule: dict[str, list[tuple[_Assessed, _Fired]]] = {}
    worst = Severity.NONE
    for item in assessed:
        worst = max(worst, item.judgement.severity)
        for fired in item.fired:
            by_rule.setdefault(fired.rule, []).append((item, fired))
    if by_rule:
        return [_severity_outcome(rule, found) for rule, found in by_rule.items()]
    passing = max(severity for severity in Severity if rule_set.verdicts[severity] is Verdict.PASS)
    return [
        Outcome(
            SEVERITY,
            Verdict.PASS,
            f"The worst defect is '{worst}'; '{passing}' may pass.",
            {"severity": worst.value, "limit": passing.value},
        )
    ]


def _severity_outcome(rule: str, found: Sequence[tuple[_Assessed, _Fired]]) -> Outcome:
    defects = [item.seen for item, _ in found]
    count = "1 defect" if len(defects) == 1 else f"{len(defects)} defects"
    worst = max(item.judgement.severity for item, _ in found)
    sentences = {
        UNKNOWN_CLASS: f"{count} of a class that is not in the rule set: {_names(defects)}.",
        LOW_MARGIN: f"{count} with a score too near to the threshold: {_names(defects)}.",
        UNMEASURED: f"{count} without the pixel size or the length that a rule asks for: {_names(defects)}.",
    }
    return Outcome(
        rule,
        max(fired.verdict for _, fired in found),
        sentences.get(rule, f"{count} of severity '{worst}' by '{rule}'."),
        {
            "defects": len(defects),
            "severity": worst.value,
            "highest_score": max(seen.score for seen in defects),
            "largest_area_px": max(seen.area_px for seen in defects),
        },
        tuple(seen.id for seen in defects),
    )


def _limit(limit: Limit, rule_set: RuleSet, inspection: Inspection, assessed: Iterable[_Assessed]) -> Outcome:
    """Defects that only may count, or only may be meant, lead to REVIEW at most."""
    sure, possible = [], []
    for item in assessed:
        meant = True if limit.of is None else limit.of.met_by(item.seen, inspection, rule_set.zones)
        if item.possible and meant is not False:
            possible.append(item.seen)
            if item.counted and meant:
                sure.append(item.seen)
    value, most = _total(limit.total, inspection, sure), _total(limit.total, inspection, possible)
    ids = tuple(seen.id for seen in possible)
    name = f"'{limit.id}' ({limit.total})"
    if value is None or most is None:
        missing = "an anomaly score" if limit.total is Total.ANOMALY_SCORE else "the pixel size"
        return Outcome(limit.id, Verdict.REVIEW, f"{name} cannot be judged without {missing}.", {}, ids)
    found = f"{value:g}" if value == most else f"{value:g} for sure and {most:g} at most"
    if limit.fail_above is not None and value > limit.fail_above:
        verdict, bound = Verdict.FAIL, limit.fail_above
    else:
        verdict, bound = (Verdict.REVIEW if most > limit.met_to else Verdict.PASS), limit.met_to
    return Outcome(
        limit.id,
        verdict,
        f"{name} is {found}; the limit is {bound:g}.",
        {"value": value, "at_most": most, "limit": bound},
        ids,
    )


def _total(total: Total, inspection: Inspection, defects: Sequence[Seen]) -> float | None:
    """None when it needs what is not known. The sum is rounded once, so that no order of the defects gives another."""
    area_px, pixel = math.fsum(seen.area_px for seen in defects), inspection.pixel_size_um
    match total:
        case Total.COUNT:
            return float(len(defects))
        case Total.AREA_PX:
            return area_px
        case Total.COVERAGE_PCT:
            return 100 * area_px / inspection.area_px
        case Total.AREA_UM2:
            return _scaled(area_px, None if pixel is None else pixel**2)
        case Total.DENSITY_PER_CM2:
            return _scaled(len(defects), None if pixel is None else 1 / (inspection.area_px * pixel**2 * _CM2_PER_UM2))
        case Total.ANOMALY_SCORE:
            return inspection.anomaly_score


def _scaled(amount: float, scale: float | None) -> float | None:
    """Nothing is nothing on any scale."""
    return None if amount and scale is None else amount * (scale or 0.0)


def _image_quality(rule_set: RuleSet, inspection: Inspection) -> Outcome:
    failed = ", ".join(sorted(set(inspection.quality_failures)))
    if not failed:
        return Outcome(IMAGE_QUALITY, Verdict.PASS, "The picture failed no check of its quality.", {"failed": ""})
    return Outcome(IMAGE_QUALITY, rule_set.image_quality, f"The picture is too poor: {failed}.", {"failed": failed})


def _names(defects: Iterable[Seen]) -> str:
    return ", ".join(sorted({seen.name for seen in defects}))


def _listed(rules: Iterable[str]) -> str:
    return ", ".join(f"'{rule}'" for rule in sorted(rules))
