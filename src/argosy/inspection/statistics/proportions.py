"""Shares of a whole: their intervals, and whether two of them differ.

Sources:
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209-212.
    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
    methods", Statistics in Medicine 17 (1998) 873-890, method 10.
    F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936) 437-442.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtri
from scipy.stats import fisher_exact, norm

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import count, inside_unit

_LEAST_EXPECTED = 5.0
"""Cochran's rule: below it the normal approximation of a 2 x 2 table is not trusted."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval, both ends included.

    Attributes:
        confidence: its nominal coverage, such as 0.95.
    """

    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Proportion:
    """`successes` of `trials`, with Wilson's interval."""

    successes: int
    trials: int
    estimate: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two independent proportions against each other.

    Attributes:
        difference: first minus second.
        interval: of the difference, Newcombe's hybrid score interval.
        p_value: two-sided, that both are the same.
        method: "z" for the pooled z test, "fisher" for Fisher's exact test.
    """

    difference: float
    interval: Interval
    p_value: float
    method: str


def proportion(successes: int, trials: int, confidence: float = 0.95) -> Proportion:
    """The share with its interval.

    Raises:
        InvalidRequest: no trials, or more successes than trials.
    """
    share = _share(successes, trials, "successes", "trials")
    return Proportion(int(successes), int(trials), share, wilson(share, trials, confidence))


def wilson(share: float, size: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share seen in `size` trials; `size` may be an effective one, with a fraction.

    Raises:
        InvalidRequest: a share outside [0, 1], or a size that is not above zero.
    """
    z = critical_z(confidence)
    if not 0.0 <= share <= 1.0:
        raise InvalidRequest(f"'share' is {share!r}; give a number from 0 to 1.", param="share")
    if not (math.isfinite(size) and size > 0):
        raise InvalidRequest(f"'size' is {size!r}; give a finite number above 0.", param="size")
    weight = 1.0 / (1.0 + z * z / size)
    middle = weight * (share + z * z / (2.0 * size))
    half = weight * z * math.sqrt(share * (1.0 - share) / size + z * z / (4.0 * size * size))
    # Rounding must not push an end past the estimate or out of the unit interval.
    low = 0.0 if share == 0.0 else min(max(middle - half, 0.0), share)
    high = 1.0 if share == 1.0 else max(min(middle + half, 1.0), share)
    return Interval(low, high, confidence)


def compare(first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95) -> Comparison:
    """Test whether two independent proportions are the same.

    The pooled z test without continuity correction where every expected count of the table reaches 5, Fisher's exact
    test elsewhere. Pairs, two models on the same dies, are not independent: `agreement.mcnemar`.

    Args:
        first: successes and trials.
        second: successes and trials.
        confidence: of the interval of the difference.

    Raises:
        InvalidRequest: no trials, or more successes than trials.
    """
    share_1, share_2 = _share(*first, "first", "first"), _share(*second, "second", "second")
    (hits_1, size_1), (hits_2, size_2) = first, second
    one, two = wilson(share_1, size_1, confidence), wilson(share_2, size_2, confidence)
    difference = share_1 - share_2
    interval = Interval(
        max(-1.0, difference - math.hypot(share_1 - one.low, two.high - share_2)),
        min(1.0, difference + math.hypot(one.high - share_1, share_2 - two.low)),
        confidence,
    )
    pooled = (hits_1 + hits_2) / (size_1 + size_2)
    if min(size_1, size_2) * min(pooled, 1.0 - pooled) >= _LEAST_EXPECTED:
        z = difference / math.sqrt(pooled * (1.0 - pooled) * (1.0 / size_1 + 1.0 / size_2))
        return Comparison(difference, interval, float(2.0 * norm.sf(abs(z))), "z")
    table = np.array([[hits_1, size_1 - hits_1], [hits_2, size_2 - hits_2]])
    return Comparison(difference, interval, min(1.0, float(fisher_exact(table).pvalue)), "fisher")


def poisson_interval(events: int, confidence: float = 0.95) -> Interval:
    """Garwood's exact interval of a Poisson mean of which `events` were seen. It never covers less than it says.

    Raises:
        InvalidRequest: a negative count.
    """
    seen, tail = count(events, "events"), (1.0 - inside_unit(confidence, "confidence")) / 2.0
    low = float(gammaincinv(seen, tail)) if seen else 0.0
    return Interval(low, float(gammaincinv(seen + 1, 1.0 - tail)), confidence)


def critical_z(confidence: float) -> float:
    """The standard normal quantile that leaves half of what `confidence` lacks in each tail: 1.96 for 0.95."""
    return float(ndtri(0.5 + inside_unit(confidence, "confidence") / 2.0))


def _share(successes: int, trials: int, successes_param: str, trials_param: str) -> float:
    size = count(trials, trials_param, least=1)
    hits = count(successes, successes_param)
    if hits > size:
        raise InvalidRequest(f"{hits} successes of {size} trials cannot be.", param=successes_param)
    return hits / size
