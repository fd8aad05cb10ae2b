"""Overkill and escape from reviews, where most passed dies are never looked at.

Overkill is the share of good dies called FAIL, escape the share of bad dies called PASS. Reviewing rejects only
measures overkill's numerator and nothing of escape; a random sample of the passed dies is needed, and each reviewed
die then stands for as many as were not drawn (Horvitz & Thompson, JASA 47 (1952) 663-685). Both rates are ratios of
such weighted totals, A / (A + B): A the total of the wrong calls, B that of the others.

Intervals are for the process that made the dies, not for these dies alone. The dies of a stratum are a Poisson count
N with score limits, the bad share of its reviewed ones has Wilson's limits p; the limits of the total N p, of sums of
totals and of the ratio follow by variance recovery (MOVER: Zou & Donner, Statistics in Medicine 27 (2008) 1693-1702;
for ratios Donner & Zou, Statistical Methods in Medical Research 21 (2012) 347-359).

A Wilson interval with Kish's effective sample size, the common short cut, is not used: when no escape is found among
the few reviewed passes, the effective size is that of the fully reviewed rejects, and the upper limit far too low.
The size is still told, as a measure of how much the weights cost.

In simulated lots of 1000 to 50,000 dies, with as few as two expected finds among the reviewed passes, nominal 95 %
intervals held the truth in 94 to 97 %.

Limits of the method: reviewers are taken to be right; draws within a stratum are taken as random and independent, so
dies of one bad wafer make the interval too narrow; a rate from fewer than about ten reviewed bad (or good) dies has
wide limits that are themselves rough.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import flags, floats, same_length
from argosy.inspection.statistics.proportions import Interval, critical_z, wilson

_VERDICTS = ("PASS", "REVIEW", "FAIL")
_NEEDED = ("PASS", "FAIL")
"""REVIEW may be a verdict that a judge never gives."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Dies of one verdict that were drawn for review at one rate.

    Attributes:
        verdict: "PASS", "REVIEW" or "FAIL", the machine's.
        dies: how many there are, reviewed or not.
        reviewed: how many of them a person judged.
        bad: how many of those are truly bad.
        counted: whether `dies` is a count; False where it is reviewed / rate, and as uncertain as the reviewed number.

    Raises:
        InvalidRequest: another verdict, or counts that contradict one another.
    """

    verdict: str
    dies: float
    reviewed: int
    bad: int
    counted: bool = True

    def __post_init__(self) -> None:
        if self.verdict not in _VERDICTS:
            raise InvalidRequest(f"'verdict' is {self.verdict!r}; give one of {', '.join(_VERDICTS)}.", param="verdict")
        if not 0 <= self.bad <= self.reviewed <= self.dies < math.inf:
            raise InvalidRequest(
                f"{self.bad} bad of {self.reviewed} reviewed of {self.dies:g} dies cannot be.", param="reviewed"
            )


@dataclass(frozen=True, slots=True)
class ReviewedRate:
    """A rate estimated from reviews.

    Attributes:
        estimate: the weighted ratio; None when it cannot be measured.
        interval: None when it cannot be measured.
        reviewed: reviewed dies of the kind the rate is about: good ones for overkill, bad ones for escape.
        effective: Kish's effective number of them, (sum of weights)^2 / sum of squared weights.
        reason: why it cannot be measured, or None.
    """

    estimate: float | None
    interval: Interval | None
    reviewed: int
    effective: float
    reason: str | None = None


def overkill(strata: Sequence[Stratum], confidence: float = 0.95) -> ReviewedRate:
    """The share of good dies that were called FAIL.

    Args:
        strata: all dies, each in one of them. PASS and FAIL must be there, with no dies where there were none: what is
            not given is unknown and not nothing.
        confidence: of the interval.

    Raises:
        InvalidRequest: a confidence outside (0, 1).
    """
    return _rate(strata, wrong="FAIL", bad=False, confidence=confidence)


def escape(strata: Sequence[Stratum], confidence: float = 0.95) -> ReviewedRate:
    """The share of bad dies that were called PASS.

    Args:
        strata: as for `overkill`.
        confidence: of the interval.

    Raises:
        InvalidRequest: a confidence outside (0, 1).
    """
    return _rate(strata, wrong="PASS", bad=True, confidence=confidence)


def strata_of(verdicts: Sequence[str], bad: ArrayLike, rates: ArrayLike) -> tuple[Stratum, ...]:
    """Strata from single reviews and the probability with which each die was drawn.

    A stratum's dies are estimated as reviewed / rate. Where the dies of a verdict were counted, a `Stratum` made from
    that count is more exact. Strata of which nothing was reviewed do not appear and must be added by the caller, with
    their dies and none reviewed.

    Args:
        verdicts: the machine's, [reviews].
        bad: whether the die is truly bad, [reviews].
        rates: probability of being drawn by any of the samplers, above 0 and at most 1, [reviews].

    Returns:
        One for each pair of verdict and rate, in that order.

    Raises:
        InvalidRequest: arrays of different lengths, a rate outside (0, 1], an unknown verdict.
    """
    truth, drawn = flags(bad, "bad"), floats(rates, "rates")
    same_length("rates", np.asarray(verdicts), truth, drawn)
    if bool(((drawn <= 0.0) | (drawn > 1.0)).any()):
        raise InvalidRequest("'rates' holds a value that is not above 0 and at most 1.", param="rates")
    keys = list(zip(map(str, verdicts), drawn.tolist(), strict=True))
    reviewed = Counter(keys)
    found = Counter(key for key, is_bad in zip(keys, truth.tolist(), strict=True) if is_bad)
    return tuple(
        Stratum(verdict, reviewed[verdict, rate] / rate, reviewed[verdict, rate], found[verdict, rate], rate == 1.0)
        for verdict, rate in sorted(reviewed)
    )


def _rate(strata: Sequence[Stratum], *, wrong: str, bad: bool, confidence: float) -> ReviewedRate:
    z = critical_z(confidence)
    missing = [verdict for verdict in _NEEDED if verdict not in {stratum.verdict for stratum in strata}]
    populated = [stratum for stratum in strata if stratum.dies > 0]
    members = [stratum.bad if bad else stratum.reviewed - stratum.bad for stratum in populated]
    effective = _effective_size(populated, members)
    unseen = sorted({stratum.verdict for stratum in populated if stratum.reviewed == 0})
    kind = "bad" if bad else "good"
    reason = None
    if missing:
        reason = f"nothing is known of dies called {', '.join(missing)}"
    elif unseen:
        reason = f"no review of some dies called {', '.join(unseen)}"
    elif not sum(members):
        reason = f"no {kind} die among {sum(stratum.reviewed for stratum in populated)} reviewed"
    if reason:
        return ReviewedRate(None, None, sum(members), effective, reason)
    wrong_calls = _sum(
        _total(s, m, z, confidence) for s, m in zip(populated, members, strict=True) if s.verdict == wrong
    )
    others = _sum(_total(s, m, z, confidence) for s, m in zip(populated, members, strict=True) if s.verdict != wrong)
    estimate = wrong_calls.estimate / (wrong_calls.estimate + others.estimate)
    low, high = _ratio_limits(wrong_calls, others)
    interval = Interval(min(low, estimate), max(high, estimate), confidence)
    return ReviewedRate(estimate, interval, sum(members), effective)


def _effective_size(strata: Sequence[Stratum], members: Sequence[int]) -> float:
    weights = [(s.dies / s.reviewed, m) for s, m in zip(strata, members, strict=True) if s.reviewed]
    squares = sum(weight * weight * number for weight, number in weights)
    return sum(weight * number for weight, number in weights) ** 2 / squares if squares else 0.0


@dataclass(frozen=True, slots=True)
class _Total:
    estimate: float
    low: float
    high: float


def _total(stratum: Stratum, members: int, z: float, confidence: float) -> _Total:
    """The number of good, or of bad, dies of a stratum: N p, with both parts uncertain."""
    dies, share = stratum.dies, members / stratum.reviewed
    limits = wilson(share, stratum.reviewed, confidence)
    seen = dies if stratum.counted else stratum.reviewed
    middle, spread = seen + z * z / 2.0, z * math.sqrt(seen + z * z / 4.0)
    dies_low, dies_high = dies / seen * (middle - spread), dies / seen * (middle + spread)
    estimate = dies * share
    return _Total(
        estimate,
        max(0.0, estimate - math.hypot(dies * (share - limits.low), share * (dies - dies_low))),
        estimate + math.hypot(dies * (limits.high - share), share * (dies_high - dies)),
    )


def _sum(totals: Iterable[_Total]) -> _Total:
    parts = list(totals)
    estimate = math.fsum(part.estimate for part in parts)
    return _Total(
        estimate,
        max(0.0, estimate - math.hypot(*(part.estimate - part.low for part in parts))),
        estimate + math.hypot(*(part.high - part.estimate for part in parts)),
    )


def _ratio_limits(a: _Total, b: _Total) -> tuple[float, float]:
    """Limits of a / (a + b).

    They are the odds o = a / b at which the recovered interval of a - o b just holds 0, two roots of
    (a - o b)^2 = da^2 + o^2 db^2. Each is written so that nothing cancels, also when a or b was never seen.
    """
    down, up = a.estimate - a.low, b.high - b.estimate
    product = a.estimate * b.estimate
    top = a.estimate**2 - down**2
    root = math.sqrt(max(0.0, up**2 * top + (down * b.estimate) ** 2))
    low = top / (top + product + root) if top > 0.0 else 0.0
    rise, fall = a.high - a.estimate, b.estimate - b.low
    bottom = b.estimate**2 - fall**2
    root = math.sqrt(max(0.0, rise**2 * bottom + (fall * a.estimate) ** 2))
    high = (product + root) / (product + root + bottom) if bottom > 0.0 else 1.0
    return low, high
