"""Control charts of shares, rates and means: limits from a stable time are frozen, and later points judged by them.

p chart: share of defective dies, limits p +- 3 sqrt(p (1 - p) / n). u chart: defects per unit, limits
u +- 3 sqrt(u / n). Both follow the size n of each subgroup. With hundreds of dies a wafer the real spread is wider
than the binomial or Poisson one and such charts cry wolf; Laney's p' and u' multiply the spread by sigma_z, what the
points show beyond it. EWMA sees small lasting shifts of a mean.

Sources:
    D. C. Montgomery, "Introduction to Statistical Quality Control", chapters on attribute charts and on EWMA.
    D. B. Laney, "Improved control charts for attributes", Quality Engineering 14 (2002) 531-537.
    J. M. Lucas, M. S. Saccucci, "Exponentially weighted moving average control schemes", Technometrics 32 (1990) 1-12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import Floats, count, counts, floats, positive, same_length

LEAST_SUBGROUPS = 20
"""Subgroups that limits are computed from, at the least."""
_D2 = 2.0 / math.sqrt(math.pi)
"""Mean range of two standard normal values: 1.128."""
_ROUNDING = 1e-12


class ChartKind(StrEnum):
    """Which attribute chart."""

    P = "p"
    U = "u"
    LANEY_P = "laney_p"
    LANEY_U = "laney_u"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A subgroup left out of phase I, and why: an assignable cause that was found, never that it lay outside."""

    subgroup: int
    reason: str


@dataclass(frozen=True, slots=True)
class AttributeLimits:
    """Frozen limits of a p, u, p' or u' chart.

    Attributes:
        kind: which chart.
        version: the number under which these limits are kept; a new computation takes a new one.
        centre: pooled share or rate of phase I.
        sigma_z: Laney's factor; 1 for the p and u charts.
        width: half width in sigmas.
        subgroups: how many were used.
        excluded: which were not.
    """

    kind: ChartKind
    version: int
    centre: float
    sigma_z: float
    width: float
    subgroups: int
    excluded: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class EwmaLimits:
    """Frozen parameters of an EWMA chart of single values.

    Attributes:
        version: the number under which they are kept.
        centre: mean of phase I.
        sigma: standard deviation of one value, from the mean moving range.
        smoothing: weight of the newest value, lambda.
        width: half width in sigmas of the average, K.
        subgroups: how many values were used.
        excluded: which were not.
    """

    version: int
    centre: float
    sigma: float
    smoothing: float
    width: float
    subgroups: int
    excluded: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class EwmaState:
    """Where an EWMA stands after some values, so that the next ones continue it.

    Attributes:
        average: the last average.
        values: how many have entered it.
    """

    average: float
    values: int


@dataclass(frozen=True, slots=True, eq=False)
class ChartPoints:
    """Points judged against limits; all arrays FP64 [points] but `outside`.

    Attributes:
        value: the share, rate or average drawn.
        centre: the centre line.
        lower: lower limit, clamped to what the value can be.
        upper: upper limit, clamped likewise.
        z: distance from the centre in sigmas of that point, what run rules take. Of the EWMA they must not be used: its
            neighbours are correlated by construction.
        outside: BOOL [points], strictly beyond a limit.
    """

    value: Floats
    centre: float
    lower: Floats
    upper: Floats
    z: Floats
    outside: NDArray[np.bool_]


def freeze_attribute_limits(
    kind: ChartKind,
    events: ArrayLike,
    sizes: ArrayLike,
    *,
    version: int,
    excluded: Mapping[int, str] | None = None,
    width: float = 3.0,
) -> AttributeLimits:
    """Phase I of an attribute chart.

    Args:
        kind: which chart.
        events: defective dies (p) or defects (u) of each subgroup, [subgroups], in time order.
        sizes: dies inspected, or for u any size above zero, such as area in cm2; [subgroups].
        version: of these limits.
        excluded: reason by index of a subgroup that is left out.
        width: half width in sigmas.

    Raises:
        InvalidRequest: fewer than 20 subgroups remain, an exclusion has no reason or no subgroup, or the points leave
            no spread to draw limits from; the message says what would.
    """
    hits, size = _attributes(kind, events, sizes)
    kept, exclusions = _kept(len(hits), excluded, "events")
    hits, size = hits[kept], size[kept]
    centre = float(hits.sum()) / float(size.sum())
    top = 1.0 if _is_share(kind) else math.inf
    if not 0.0 < centre < top:
        raise InvalidRequest(
            f"All subgroups have a rate of {centre:g}: there is no spread. Use larger subgroups or a longer time.",
            param="events",
        )
    sigma_z = 1.0
    if kind in {ChartKind.LANEY_P, ChartKind.LANEY_U}:
        sigma_z = _moving_sigma((hits / size - centre) / _spread(kind, centre, size), 1.0, "events")
    return AttributeLimits(
        kind, count(version, "version", least=1), centre, sigma_z, positive(width, "width"), len(hits), exclusions
    )


def judge_attributes(limits: AttributeLimits, events: ArrayLike, sizes: ArrayLike) -> ChartPoints:
    """Points against frozen limits; those of phase I may be judged too.

    Args:
        limits: from `freeze_attribute_limits`.
        events: as there, [points].
        sizes: as there, [points].

    Raises:
        InvalidRequest: as there; a subgroup in which nothing was inspected is no point.
    """
    hits, size = _attributes(limits.kind, events, sizes)
    sigma = limits.sigma_z * _spread(limits.kind, limits.centre, size)
    half = limits.width * sigma
    top = 1.0 if _is_share(limits.kind) else math.inf
    lower, upper = np.maximum(limits.centre - half, 0.0), np.minimum(limits.centre + half, top)
    value = hits / size
    return ChartPoints(
        value, limits.centre, lower, upper, (value - limits.centre) / sigma, (value < lower) | (value > upper)
    )


def freeze_ewma_limits(
    values: ArrayLike,
    *,
    version: int,
    excluded: Mapping[int, str] | None = None,
    smoothing: float = 0.2,
    width: float = 2.86,
) -> EwmaLimits:
    """Phase I of an EWMA chart.

    Args:
        values: one for each subgroup, [subgroups], in time order: mean score, density, log p95.
        version: of these limits.
        excluded: reason by index of a subgroup that is left out.
        smoothing: lambda; 0.2 is best for shifts of about one sigma.
        width: K; 2.86 with lambda 0.2 gives one false alarm in about 370 points, as 3 sigma does on a plain chart.

    Raises:
        InvalidRequest: fewer than 20 values remain, they never change, or lambda is not in (0, 1].
    """
    series = floats(values, "values")
    kept, exclusions = _kept(len(series), excluded, "values")
    if not 0.0 < smoothing <= 1.0:
        raise InvalidRequest(f"'smoothing' is {smoothing!r}; give a number above 0 and at most 1.", param="smoothing")
    return EwmaLimits(
        count(version, "version", least=1),
        float(series[kept].mean()),
        _moving_sigma(series[kept], float(np.abs(series[kept]).max()), "values"),
        float(smoothing),
        positive(width, "width"),
        int(kept.sum()),
        exclusions,
    )


def judge_ewma(limits: EwmaLimits, values: ArrayLike, start: EwmaState | None = None) -> tuple[ChartPoints, EwmaState]:
    """Averages z_i = L x_i + (1 - L) z_(i-1) against limits that widen with i.

    The limits are centre +- K sigma sqrt(L / (2 - L) (1 - (1 - L)^(2 i))).

    Args:
        limits: from `freeze_ewma_limits`.
        values: [points], in time order.
        start: where an earlier call ended; None starts at the centre.

    Returns:
        The points, and where the average stands after them.

    Raises:
        InvalidRequest: values that are not finite numbers.
    """
    series = floats(values, "values")
    smoothing, state = limits.smoothing, start or EwmaState(limits.centre, 0)
    averages = np.empty_like(series)
    average = state.average
    for point, value in enumerate(series.tolist()):
        average = smoothing * value + (1.0 - smoothing) * average
        averages[point] = average
    age = state.values + np.arange(1, len(series) + 1, dtype=np.float64)
    sigma = limits.sigma * np.sqrt(smoothing / (2.0 - smoothing) * (1.0 - (1.0 - smoothing) ** (2.0 * age)))
    lower, upper = limits.centre - limits.width * sigma, limits.centre + limits.width * sigma
    points = ChartPoints(
        averages,
        limits.centre,
        lower,
        upper,
        (averages - limits.centre) / sigma,
        (averages < lower) | (averages > upper),
    )
    return points, EwmaState(average, state.values + len(series))


def _is_share(kind: ChartKind) -> bool:
    return kind in {ChartKind.P, ChartKind.LANEY_P}


def _attributes(kind: ChartKind, events: ArrayLike, sizes: ArrayLike) -> tuple[Floats, Floats]:
    hits = counts(events, "events").astype(np.float64)
    size = counts(sizes, "sizes").astype(np.float64) if _is_share(kind) else floats(sizes, "sizes")
    same_length("sizes", hits, size)
    if bool((size <= 0.0).any()):
        raise InvalidRequest("'sizes' holds a subgroup in which nothing was inspected; leave it out.", param="sizes")
    if _is_share(kind) and bool((hits > size).any()):
        raise InvalidRequest("'events' holds more defective dies than the subgroup has.", param="events")
    return hits, size


def _spread(kind: ChartKind, centre: float, size: Floats) -> Floats:
    variance = centre * (1.0 - centre) if _is_share(kind) else centre
    spread: Floats = np.sqrt(variance / size)
    return spread


def _kept(
    subgroups: int, excluded: Mapping[int, str] | None, param: str
) -> tuple[NDArray[np.bool_], tuple[Exclusion, ...]]:
    kept = np.ones(subgroups, dtype=np.bool_)
    exclusions = tuple(Exclusion(subgroup, reason.strip()) for subgroup, reason in sorted((excluded or {}).items()))
    for exclusion in exclusions:
        if not 0 <= exclusion.subgroup < subgroups:
            raise InvalidRequest(f"There is no subgroup {exclusion.subgroup} to exclude.", param="excluded")
        if not exclusion.reason:
            raise InvalidRequest(
                f"Subgroup {exclusion.subgroup} is excluded without a reason; give one.", param="excluded"
            )
        kept[exclusion.subgroup] = False
    if int(kept.sum()) < LEAST_SUBGROUPS:
        raise InvalidRequest(
            f"Limits need {LEAST_SUBGROUPS} subgroups; {int(kept.sum())} remain. Collect more before freezing them.",
            param="excluded" if subgroups >= LEAST_SUBGROUPS else param,
        )
    return kept, exclusions


def _moving_sigma(series: Floats, scale: float, param: str) -> float:
    """Standard deviation from the mean range of neighbours; an excluded point's neighbours become neighbours.

    Equal points may differ by rounding, by some 1e-16 of `scale`: that is no spread.
    """
    sigma = float(np.abs(np.diff(series)).mean()) / _D2
    if sigma <= _ROUNDING * scale:
        raise InvalidRequest(
            f"'{param}' never changes in phase I: there is no spread to draw limits from.", param=param
        )
    return sigma
