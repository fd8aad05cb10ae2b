"""Yield of wafers and lots, defect density, and the models that turn density into yield.

Sources:
    B. T. Murphy, "Cost-size optima of monolithic integrated circuits", Proceedings of the IEEE 52 (1964) 1537-1545.
    C. H. Stapper, "Defect density distribution for LSI yield calculations", IEEE Transactions on Electron Devices 20
    (1973) 655-657 (negative binomial).
    E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24 (1998) 193-201 (effective sample size).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import count, counts, floats, not_negative, positive
from argosy.inspection.statistics.proportions import Interval, poisson_interval, wilson


@dataclass(frozen=True, slots=True)
class WaferCount:
    """The dies of one wafer.

    Attributes:
        lot: its lot.
        wafer: its name within the lot.
        inspected: dies that got a verdict.
        good: how many of them are good.

    Raises:
        InvalidRequest: a negative count, or more good dies than inspected ones.
    """

    lot: str
    wafer: str
    inspected: int
    good: int

    def __post_init__(self) -> None:
        if count(self.good, "good") > count(self.inspected, "inspected"):
            raise InvalidRequest(
                f"Wafer {self.wafer!r} has {self.good} good dies of {self.inspected} inspected.", param="good"
            )


@dataclass(frozen=True, slots=True)
class Yield:
    """Good dies of inspected dies.

    Attributes:
        name: the wafer, the lot, or "" for all lots.
        inspected: dies.
        good: dies.
        estimate: good / inspected; None when nothing was inspected.
        interval: Wilson's; of a lot with its effective size. None with the estimate.
        wafers: how many it was computed from.
        effective: dies that would tell as much if all were independent; dies of one wafer share their fate, so that a
            lot's are fewer than those inspected. With one wafer this cannot be seen, and all are taken.
    """

    name: str
    inspected: int
    good: int
    estimate: float | None
    interval: Interval | None
    wafers: int
    effective: float


@dataclass(frozen=True, slots=True)
class Density:
    """Defects per cm2, with Garwood's exact Poisson interval; clustered defects spread wider than it says."""

    estimate: float
    interval: Interval
    defects: int
    area_cm2: float


def wafer_yields(wafers: Iterable[WaferCount], confidence: float = 0.95) -> tuple[Yield, ...]:
    """The yield of each wafer, in the order given, named by the wafer."""
    return tuple(_yield(wafer.wafer, [wafer], confidence) for wafer in wafers)


def lot_yields(wafers: Iterable[WaferCount], confidence: float = 0.95) -> tuple[Yield, ...]:
    """The yield of each lot, in the order in which lots first appear: dies pooled over its wafers."""
    lots: dict[str, list[WaferCount]] = {}
    for wafer in wafers:
        lots.setdefault(wafer.lot, []).append(wafer)
    return tuple(_yield(lot, members, confidence) for lot, members in lots.items())


def overall_yield(wafers: Iterable[WaferCount], confidence: float = 0.95) -> Yield:
    """The yield of all lots together, named "". The lot, not the wafer, is what varies as one."""
    given = list(wafers)
    lots = [WaferCount(lot.name, "", lot.inspected, lot.good) for lot in lot_yields(given, confidence) if lot.inspected]
    # With a single lot nothing is seen of how lots differ; its wafers are the best there is.
    total = _yield("", lots if len(lots) > 1 else given, confidence)
    return Yield("", total.inspected, total.good, total.estimate, total.interval, len(given), total.effective)


def defect_density(defects: int, area_cm2: float, confidence: float = 0.95) -> Density:
    """D0 = defects / inspected area.

    Args:
        defects: how many were found.
        area_cm2: inspected area, cm2.
        confidence: of the interval.

    Raises:
        InvalidRequest: a negative count, or an area that is not above zero.
    """
    found, area = count(defects, "defects"), positive(area_cm2, "area_cm2")
    limits = poisson_interval(found, confidence)
    return Density(found / area, Interval(limits.low / area, limits.high / area, confidence), found, area)


def poisson_yield(density: float, area_cm2: float) -> float:
    """exp(-D0 A): every defect kills, and defects fall independently. The lowest of the three models."""
    return math.exp(-_defects_per_die(density, area_cm2))


def murphy_yield(density: float, area_cm2: float) -> float:
    """((1 - exp(-D0 A)) / (D0 A))^2: density varies over dies by a triangle distribution."""
    defects = _defects_per_die(density, area_cm2)
    return (-math.expm1(-defects) / defects) ** 2 if defects > 0.0 else 1.0


def negative_binomial_yield(density: float, area_cm2: float, clustering: float) -> float:
    """(1 + D0 A / a)^-a: density varies by a gamma distribution.

    Args:
        density: D0, defects per cm2.
        area_cm2: area of a die in which a defect kills, cm2.
        clustering: a; small for strong clustering, towards infinity the Poisson model. Industry uses 1 to 5.

    Raises:
        InvalidRequest: a negative density or area, or an `a` that is not above zero.
    """
    alpha = positive(clustering, "clustering")
    return math.exp(-alpha * math.log1p(_defects_per_die(density, area_cm2) / alpha))


def clustering_parameter(defects_per_die: ArrayLike) -> float | None:
    """The a of the negative binomial model from the defects of single dies, by moments: mean^2 / (variance - mean).

    Args:
        defects_per_die: counts, [dies], of dies of one size.

    Returns:
        None when the counts vary no more than Poisson ones: they show no clustering.

    Raises:
        InvalidRequest: fewer than two dies.
    """
    found = counts(defects_per_die, "defects_per_die")
    if len(found) < 2:
        raise InvalidRequest(f"Clustering needs at least two dies; {len(found)} given.", param="defects_per_die")
    mean, variance = float(found.mean()), float(found.var(ddof=1))
    return mean * mean / (variance - mean) if variance > mean else None


def _defects_per_die(density: float, area_cm2: float) -> float:
    return not_negative(density, "density") * not_negative(area_cm2, "area_cm2")


def _yield(name: str, clusters: Sequence[WaferCount], confidence: float) -> Yield:
    populated = [cluster for cluster in clusters if cluster.inspected]
    inspected, good = sum(c.inspected for c in populated), sum(c.good for c in populated)
    if not inspected:
        return Yield(name, 0, 0, None, None, len(clusters), 0.0)
    estimate = good / inspected
    effective = _effective_dies(populated, estimate)
    return Yield(name, inspected, good, estimate, wilson(estimate, effective, confidence), len(clusters), effective)


def _effective_dies(clusters: Sequence[WaferCount], estimate: float) -> float:
    """Dies / design effect: the variance of the ratio between clusters against the binomial one, never below it."""
    sizes = floats([cluster.inspected for cluster in clusters], "inspected")
    total, binomial = float(sizes.sum()), estimate * (1.0 - estimate)
    if len(clusters) < 2 or binomial <= 0.0:
        return total
    residuals = np.array([cluster.good for cluster in clusters]) - estimate * sizes
    variance = len(clusters) / (len(clusters) - 1) * float(residuals @ residuals) / total**2
    return total / max(1.0, variance * total / binomial)
