"""Two judges on the same dies: two models (McNemar), or two reviewers (Cohen's kappa).

Sources:
    Q. McNemar, Psychometrika 12 (1947) 153-157; mid-p: M. W. Fagerland, S. Lydersen, P. Laake, "The McNemar test for
    binary matched-pairs data", BMC Medical Research Methodology 13:91 (2013).
    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960)
    37-46; standard error: J. L. Fleiss, J. Cohen, B. S. Everitt, Psychological Bulletin 72 (1969) 323-327.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import count, counts
from argosy.inspection.statistics.proportions import Interval, critical_z


@dataclass(frozen=True, slots=True)
class PairedTest:
    """McNemar's test on the pairs in which the two differ.

    Attributes:
        discordant: how many pairs differ.
        exact: two-sided exact p; never above its level, and cautious with few pairs.
        mid_p: two-sided mid-p, nearer to its level; the one to read by default.
    """

    discordant: int
    exact: float
    mid_p: float


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance.

    Attributes:
        estimate: 1 for full agreement, 0 for that of chance; None when both used one and the same class throughout,
            where chance alone agrees and nothing can be said.
        interval: normal, from the standard error of Fleiss, Cohen and Everitt, clamped to [-1, 1]; None with the
            estimate.
        observed: share of dies on which they agree.
        expected: share on which they would by chance.
        pairs: dies that both judged.
    """

    estimate: float | None
    interval: Interval | None
    observed: float
    expected: float
    pairs: int


def mcnemar(only_first: int, only_second: int) -> PairedTest:
    """Whether two judges of the same dies are right equally often.

    Args:
        only_first: dies that the first judged rightly and the second wrongly.
        only_second: the reverse.

    Returns:
        Both p-values; 1 when they never differ.

    Raises:
        InvalidRequest: a negative count.
    """
    first, second = count(only_first, "only_first"), count(only_second, "only_second")
    pairs, fewer = first + second, min(first, second)
    exact = min(1.0, 2.0 * float(binom.cdf(fewer, pairs, 0.5)))
    if first == second:
        return PairedTest(pairs, 1.0, 1.0 - 0.5 * float(binom.pmf(fewer, pairs, 0.5)) if pairs else 1.0)
    return PairedTest(pairs, exact, 2.0 * float(binom.cdf(fewer, pairs, 0.5)) - float(binom.pmf(fewer, pairs, 0.5)))


def cohen_kappa(table: ArrayLike, confidence: float = 0.95) -> Kappa:
    """Agreement of two reviewers on nominal classes.

    Args:
        table: [classes, classes], how often the first said the row and the second the column.
        confidence: of the interval.

    Raises:
        InvalidRequest: not a square table of counts, or an empty one.
    """
    pairs_of = counts(table, "table", dimensions=2)
    if pairs_of.shape[0] != pairs_of.shape[1] or not int(pairs_of.sum()):
        raise InvalidRequest(
            f"'table' has shape {pairs_of.shape} and {int(pairs_of.sum())} pairs; give a square one with at least one.",
            param="table",
        )
    size = int(pairs_of.sum())
    share = pairs_of / size
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float(np.trace(share)), float(rows @ columns)
    if np.count_nonzero(rows) == 1 and np.array_equal(rows, columns):
        return Kappa(None, None, observed, expected, size)
    estimate = (observed - expected) / (1.0 - expected)
    # The off-diagonal weight of the pair (i, j) is the second's share of class i plus the first's share of class j.
    weight = columns[:, None] + rows[None, :]
    diagonal = np.diag(share) * (1.0 - np.diag(weight) * (1.0 - estimate)) ** 2
    off = (share * weight**2).sum() - (np.diag(share) * np.diag(weight) ** 2).sum()
    last = (estimate - expected * (1.0 - estimate)) ** 2
    variance = max(0.0, float(diagonal.sum() + (1.0 - estimate) ** 2 * off - last)) / (size * (1.0 - expected) ** 2)
    half = critical_z(confidence) * math.sqrt(variance)
    interval = Interval(max(-1.0, estimate - half), min(1.0, estimate + half), confidence)
    return Kappa(estimate, interval, observed, expected, size)
