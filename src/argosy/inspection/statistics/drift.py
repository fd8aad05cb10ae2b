"""How far a window of results has moved from a frozen reference: PSI, Kolmogorov-Smirnov, chi-square on classes.

Each measure gives an effect size, which says whether the move matters, and a p-value, which says whether it is there at
all. With thousands of results a p-value alone fires on moves that nobody cares about; `guard` wants both.

Sources:
    PSI: S. Lewis, "An introduction to credit scoring" (1994); usual cut-offs 0.1 and 0.25. Its spread under no change:
    B. Yurdakul, J. Naranjo, "Statistical properties of the population stability index", Journal of Risk Model
    Validation 14 (2020) 89-100: mean (bins - 1) (1 / n + 1 / m).
    Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995) 289-300.
    W. G. Cochran, "Some methods for strengthening the common chi-square tests", Biometrics 10 (1954) 417-451.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import Counts, Floats, count, counts, floats, same_length

LEAST_REFERENCE = 200
"""Values that a reference is made from, at the least."""
_LEAST_EXPECTED = 5.0
_HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Values of a time known to be good, frozen.

    Attributes:
        version: the number under which it is kept.
        sample: FP64 [values], ascending, read-only.
        edges: inner borders of the bins, ascending; a bin holds the values above one border and up to the next, and the
            outer bins are open.
        counts: values of the sample in each bin, one more than edges.
    """

    version: int
    sample: Floats
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScoreShift:
    """A window of scores against its reference.

    Attributes:
        n: scores in the window.
        psi: population stability index over the reference's bins.
        ks: largest distance of the two distribution functions, D.
        p_value: of D, two-sided, by its asymptotic distribution; cautious where values repeat.
    """

    n: int
    psi: float
    ks: float
    p_value: float


@dataclass(frozen=True, slots=True)
class ClassShift:
    """A window's mix of classes against its reference.

    Attributes:
        n: results in the window.
        psi: population stability index over the classes.
        p_value: of chi-square; classes expected fewer than five times are joined first. None when that leaves one
            class.
        reason: why there is no p-value, or None.
    """

    n: int
    psi: float
    p_value: float | None
    reason: str | None = None


def freeze_reference(values: ArrayLike, *, version: int, bins: int = 10) -> Reference:
    """Keep a reference and cut it into bins that hold about equally many of its values.

    Values that repeat, such as scores of exactly 0, give fewer bins: a value is never split over two.

    Args:
        values: FP64 [values], at least 200.
        version: of this reference.
        bins: most bins, at least 2.

    Raises:
        InvalidRequest: too few values, or all the same.
    """
    sample = np.sort(floats(values, "values"))
    if len(sample) < LEAST_REFERENCE:
        raise InvalidRequest(f"A reference needs {LEAST_REFERENCE} values; {len(sample)} given.", param="values")
    wanted = np.quantile(sample, np.arange(1, count(bins, "bins", least=2)) / bins, method="inverted_cdf")
    edges = np.unique(wanted[wanted < sample[-1]])
    # Nearly all values at the top: no quantile falls below it, and one border right under it is all there is.
    if not len(edges):
        edges = sample[sample < sample[-1]][-1:]
    if not len(edges):
        raise InvalidRequest(f"All values of the reference are {sample[0]:g}: nothing can be compared.", param="values")
    sample.setflags(write=False)
    borders = tuple(edges.tolist())
    return Reference(count(version, "version", least=1), sample, borders, tuple(_binned(borders, sample).tolist()))


def score_shift(reference: Reference, values: ArrayLike) -> ScoreShift:
    """Compare a window of scores with its reference.

    Args:
        reference: from `freeze_reference`.
        values: FP64 [window].

    Raises:
        InvalidRequest: an empty window, or values that are not finite.
    """
    window = floats(values, "values")
    if not len(window):
        raise InvalidRequest("An empty window cannot be compared.", param="values")
    result = ks_2samp(reference.sample, window, method="asymp")
    index = psi(reference.counts, _binned(reference.edges, window))
    return ScoreShift(len(window), index, float(result.statistic), float(result.pvalue))


def class_shift(reference: Mapping[str, int], window: Mapping[str, int]) -> ClassShift:
    """Compare a window's mix of classes with its reference.

    Args:
        reference: results by class.
        window: results by class; a class may be new.

    Raises:
        InvalidRequest: a negative count, or no result at all in one of them.
    """
    names = sorted({*reference, *window})
    table = counts([[side.get(name, 0) for name in names] for side in (reference, window)], "window", dimensions=2)
    if not table.sum(axis=1).all():
        empty = "reference" if not table[0].any() else "window"
        raise InvalidRequest(f"'{empty}' holds no result.", param=empty)
    table = table[:, table.any(axis=0)]
    size = int(table[1].sum())
    index = psi(table[0], table[1])
    joined = _join_rare(table)
    if joined.shape[1] < 2:
        return ClassShift(size, index, None, "fewer than two classes are expected five times")
    return ClassShift(size, index, float(chi2_contingency(joined, correction=False).pvalue))


def psi(expected: ArrayLike, observed: ArrayLike) -> float:
    """Population stability index, sum of (q - p) ln(q / p) over bins.

    Shares are (count + 1/2) / (all + bins / 2), so that an empty bin neither divides by zero nor decides alone.

    Args:
        expected: counts of the reference, [bins].
        observed: counts of the window, [bins].

    Returns:
        0 for equal shares, and never below. Unchanged data give about (bins - 1) (1 / n + 1 / m).

    Raises:
        InvalidRequest: different numbers of bins, none, or a negative count.
    """
    before, after = counts(expected, "expected"), counts(observed, "observed")
    same_length("observed", before, after)
    if not len(before):
        raise InvalidRequest("PSI needs at least one bin.", param="expected")
    p = (before + _HALF) / (before.sum() + _HALF * len(before))
    q = (after + _HALF) / (after.sum() + _HALF * len(after))
    return float(((q - p) * np.log(q / p)).sum())


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """p-values adjusted for the false discovery rate, FP64 [tests], in the order given.

    A test is reported at rate q when its adjusted value is at most q.

    Raises:
        InvalidRequest: a value outside [0, 1].
    """
    given = floats(p_values, "p_values")
    if bool(((given < 0.0) | (given > 1.0)).any()):
        raise InvalidRequest("'p_values' holds a value outside [0, 1].", param="p_values")
    return np.asarray(false_discovery_control(given, method="bh"), dtype=np.float64) if len(given) else given


def _binned(edges: tuple[float, ...], values: Floats) -> Counts:
    place = np.searchsorted(np.asarray(edges), values, side="left")
    return np.bincount(place, minlength=len(edges) + 1).astype(np.int64)


def _join_rare(table: Counts) -> Counts:
    """Put classes expected fewer than five times in either row into one; if that is still rare, join the next too."""
    ordered = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    least = ordered.sum(axis=0) * (table.sum(axis=1).min() / table.sum())
    rare = int((least < _LEAST_EXPECTED).sum())
    if not rare:
        return ordered
    while rare < ordered.shape[1] and least[:rare].sum() < _LEAST_EXPECTED:
        rare += 1
    return np.column_stack([ordered[:, :rare].sum(axis=1), ordered[:, rare:]])
