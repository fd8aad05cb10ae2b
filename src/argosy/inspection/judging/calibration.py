"""Thresholds from labelled results: what each would let escape and what it would reject for nothing.

A result is called bad when its score is at least the threshold.

    recall    bad called bad / bad        escape = 1 - recall
    overkill  good called bad / good      also called the false alarm rate, FAR

Results that were drawn for review at different rates carry weights: one of every hundred passed pictures stands for a
hundred. Intervals are Wilson's, of an effective number of results (see `_effective_sizes`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.proportions import critical_z, wilson

_LEAST_ASSURED = 1e-9
"""Nobody can label what it takes to assure less."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A result that a person has decided on.

    Attributes:
        score: of the picture, -1e12 to 1e12; higher is worse.
        bad: whether it truly is bad.
        weight: how many results it stands for, 1e-9 to 1e9.

    Raises:
        InvalidRequest: score or weight is not such a number.
    """

    score: float
    bad: bool
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not -1e12 <= self.score <= 1e12:
            raise InvalidRequest("A score must be a number from -1e12 to 1e12.", param="score")
        if not 1e-9 <= self.weight <= 1e9:
            raise InvalidRequest("A weight must be a number from 1e-9 to 1e9.", param="weight")


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval, all from 0 to 1.

    Attributes:
        size: effective number of results that it is a share of.
    """

    value: float
    low: float
    high: float
    size: float

    @property
    def complement(self) -> Rate:
        """The share of the others."""
        return Rate(1 - self.value, 1 - self.high, 1 - self.low, self.size)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold does.

    Attributes:
        threshold: a score that was seen, or, as the last point of a curve, the next number above all of them.
    """

    threshold: float
    recall: Rate
    overkill: Rate

    @property
    def escape(self) -> Rate:
        """Bad called good / bad."""
        return self.recall.complement

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "threshold": self.threshold,
            "recall": asdict(self.recall),
            "escape": asdict(self.escape),
            "overkill": asdict(self.overkill),
        }


@dataclass(frozen=True, slots=True)
class Curve:
    """Every threshold that makes a difference, from the lowest, which calls all bad, to the highest, which calls none.

    Recall and overkill only fall along it.

    Attributes:
        points: at least two.
        bad: how many results are bad, unweighted.
        good: how many are not, unweighted.
        confidence: of the intervals.
    """

    points: tuple[OperatingPoint, ...]
    bad: int
    good: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Gate:
    """What a model must reach on an evaluation set before it may be promoted.

    Attributes:
        recall: the least recall, as estimated; 1 is "no bad one escaped".
        overkill: the most overkill at that recall.
        assured: whether the upper end of the interval, and not only the estimate, must be within `overkill`.
    """

    recall: float
    overkill: float
    assured: bool = True


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a model did.

    Attributes:
        passed: whether the gate holds.
        point: at the threshold that was judged.
        reasons: one sentence for each condition that does not hold, with what would help.
    """

    passed: bool
    point: OperatingPoint
    reasons: tuple[str, ...]


def curve(results: Iterable[Labelled], *, confidence: float = 0.95) -> Curve:
    """What each threshold does to the results, in O(n log n).

    Args:
        results: labelled, in any order.
        confidence: of the intervals, between 0 and 1.

    Raises:
        InvalidRequest: no result is bad, or none is good; or the confidence is out of its range.
    """
    labelled = list(results)
    scores = np.array([result.score for result in labelled], dtype=np.float64)
    bad = np.array([result.bad for result in labelled], dtype=np.bool_)
    weights = np.array([result.weight for result in labelled], dtype=np.float64)
    if not bad.any() or bad.all():
        kind = "bad" if not bad.any() else "good"
        raise InvalidRequest(f"None of the {len(labelled)} results is {kind}; label some of both.", param="results")
    seen = np.unique(scores)
    thresholds = np.append(seen, np.nextafter(seen[-1], np.inf))
    sides = _largest_weights(scores, weights, thresholds)
    recalls = _rates(_shares_called_bad(scores[bad], weights[bad], thresholds), weights[bad], sides, confidence)
    overkills = _rates(_shares_called_bad(scores[~bad], weights[~bad], thresholds), weights[~bad], sides, confidence)
    points = tuple(map(OperatingPoint, thresholds.tolist(), recalls, overkills))
    return Curve(points, int(bad.sum()), int((~bad).sum()), confidence)


def choose(
    found: Curve, *, recall: float | None = None, overkill: float | None = None, assured: bool = False
) -> OperatingPoint:
    """The threshold that meets "recall >= r", "overkill <= x", or both.

    With a recall it is the highest that has it, which rejects least for nothing; with overkill alone the lowest that
    has it, which finds most.

    Args:
        found: the curve to choose from.
        recall: the least recall, 0 to 1.
        overkill: the most overkill, 0 to 1.
        assured: whether the unfavourable ends of the intervals must meet them, and not only the estimates.

    Raises:
        InvalidRequest: no threshold meets it; the message says what the best one reaches.
    """
    _check_share(recall, "recall")
    _check_share(overkill, "overkill")
    if recall is not None:
        point = _highest_with_recall(found, recall, assured=assured)
        if overkill is not None and _overkill(point, assured=assured) > overkill:
            raise InvalidRequest(
                f"No threshold has both a recall of {recall:g} and overkill of {overkill:g}"
                f"{_sure(found, assured=assured)}. With that recall the least overkill is "
                f"{_overkill(point, assured=assured):.4g}, at the threshold {point.threshold:g}.",
                param="overkill",
            )
        return point
    if overkill is None:
        raise InvalidRequest("Say which recall or which overkill the threshold is to meet.", param="recall")
    return _lowest_with_overkill(found, overkill, assured=assured)


def check_gate(
    results: Iterable[Labelled], gate: Gate, *, threshold: float | None = None, confidence: float = 0.95
) -> GateResult:
    """Whether a model's results on an evaluation set pass the gate.

    Args:
        results: of the evaluation set, labelled.
        gate: what to reach.
        threshold: that the model will run with. Without one it is the highest with the gate's recall on these very
            results, which flatters the model: give one that was chosen on other results where there is one.
        confidence: of the intervals.

    Raises:
        InvalidRequest: no result is bad, or none is good.
    """
    _check_share(gate.recall, "recall")
    _check_share(gate.overkill, "overkill")
    found = curve(results, confidence=confidence)
    point = _highest_with_recall(found, gate.recall, assured=False) if threshold is None else at(found, threshold)
    reasons = []
    if point.recall.value < gate.recall:
        reasons.append(
            f"Recall is {point.recall.value:.4g} at the threshold {point.threshold:g}, and must be {gate.recall:g}."
        )
    if point.overkill.value > gate.overkill:
        reasons.append(
            f"Overkill is {point.overkill.value:.4g} at the threshold {point.threshold:g}, and at most "
            f"{gate.overkill:g} is allowed."
        )
    elif gate.assured and point.overkill.high > gate.overkill:
        reasons.append(
            f"Overkill is {point.overkill.value:.4g}, but with {_percent(confidence)} confidence only below "
            f"{point.overkill.high:.4g}; {gate.overkill:g} is allowed. {_what_would_do(gate.overkill, confidence)}"
        )
    return GateResult(not reasons, point, tuple(reasons))


def at(found: Curve, threshold: float) -> OperatingPoint:
    """What a threshold does that need not be a score that was seen.

    Raises:
        InvalidRequest: the threshold is not a number.
    """
    if math.isnan(threshold):
        raise InvalidRequest("The threshold must be a number.", param="threshold")
    same = next((point for point in found.points if point.threshold >= threshold), found.points[-1])
    return OperatingPoint(threshold, same.recall, same.overkill)


def _shares_called_bad(
    scores: NDArray[np.float64], weights: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each threshold the share of the weights whose scores are at least that."""
    order = np.argsort(-scores, kind="stable")
    sums = np.concatenate(([0.0], np.cumsum(weights[order])))
    called = np.searchsorted(-scores[order], -thresholds, side="right")
    shares: NDArray[np.float64] = sums[called] / sums[-1]
    return shares


def _largest_weights(
    scores: NDArray[np.float64], weights: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each threshold the largest weight of a result called bad, and of one that is not.

    On a side without results it is the largest of all: what is not seen there may stand for as much.
    """
    order = np.argsort(scores, kind="stable")
    ordered, largest = weights[order], weights.max()
    below = np.concatenate(([largest], np.maximum.accumulate(ordered)))
    above = np.concatenate((np.maximum.accumulate(ordered[::-1])[::-1], [largest]))
    split = np.searchsorted(scores[order], thresholds, side="left")
    return above[split], below[split]


def _rates(
    shares: NDArray[np.float64],
    weights: NDArray[np.float64],
    sides: tuple[NDArray[np.float64], NDArray[np.float64]],
    confidence: float,
) -> list[Rate]:
    rates = []
    for share, size in zip(shares.tolist(), _effective_sizes(shares, weights, sides).tolist(), strict=True):
        interval = wilson(share, size, confidence)
        rates.append(Rate(share, interval.low, interval.high, size))
    return rates


def _effective_sizes(
    shares: NDArray[np.float64],
    weights: NDArray[np.float64],
    sides: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """How many results of equal weight tell as much about each share.

    A share is p = A / (A + B), with A and B the sums of the weights of what is called bad and what is not. Were all
    weights on a side w, and what is drawn there a Poisson number, the variances of A and B would be A w_A and B w_B,
    and by the delta method that of p would be p (1 - p) ((1 - p) w_A + p w_B) / (A + B). The effective size is what
    takes the place of n in p (1 - p) / n.

    w_A and w_B are the largest weights on their sides, of good and bad results alike, for an escape that was not drawn
    would have weighed as much as a pass that was. With Kish's size, which looks at the weights of the bad results
    only, "no escape in fifty passes drawn from five thousand" would be as sure as if all had been looked at.

    In simulated lots of 11,000 dies with all rejects and 2 to 50 % of the passes reviewed, intervals of the escape rate
    with a nominal 95 % held the truth in 93 to 96 %, also where less than one escape was drawn on average.
    """
    of_called, of_passed = sides
    sizes: NDArray[np.float64] = weights.sum() / ((1 - shares) * of_called + shares * of_passed)
    return sizes


def _highest_with_recall(found: Curve, recall: float, *, assured: bool) -> OperatingPoint:
    def reached(point: OperatingPoint) -> float:
        return point.recall.low if assured else point.recall.value

    point = next((point for point in reversed(found.points) if reached(point) >= recall), None)
    if point is None:
        raise InvalidRequest(
            f"No threshold has a recall of {recall:g}{_sure(found, assured=assured)}: the best is "
            f"{max(map(reached, found.points)):.4g}, with {found.bad} bad results. Label more of them.",
            param="recall",
        )
    return point


def _lowest_with_overkill(found: Curve, overkill: float, *, assured: bool) -> OperatingPoint:
    point = next((point for point in found.points if _overkill(point, assured=assured) <= overkill), None)
    if point is None:
        raise InvalidRequest(
            f"No threshold has overkill of {overkill:g}{_sure(found, assured=assured)}: the best is "
            f"{min(_overkill(point, assured=assured) for point in found.points):.4g}, with {found.good} good results. "
            f"{_what_would_do(overkill, found.confidence)}",
            param="overkill",
        )
    return point


def _overkill(point: OperatingPoint, *, assured: bool) -> float:
    return point.overkill.high if assured else point.overkill.value


def _sure(found: Curve, *, assured: bool) -> str:
    return f" with {_percent(found.confidence)} confidence" if assured else ""


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.4g}%"


def _what_would_do(overkill: float, confidence: float) -> str:
    """Without a single error the upper end is z^2 / (n + z^2)."""
    if overkill < _LEAST_ASSURED:
        return "No number of results can assure so little; allow more."
    z = critical_z(confidence)
    return f"That takes at least {math.ceil(z * z * (1 - overkill) / overkill)} good results."


def _check_share(value: float | None, param: str) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidRequest(f"The {param} must be from 0 to 1.", param=param)
