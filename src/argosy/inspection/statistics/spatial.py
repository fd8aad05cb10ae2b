"""Where on the wafer, and where on the die: zones, repeaters and stacked maps.

A repeater is a defect at the same place of many dies: a flaw of the reticle or of the probe card, not of the wafer.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.stats import poisson

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import (
    Counts,
    Floats,
    count,
    counts,
    flags,
    floats,
    integers,
    positive,
    same_length,
)
from argosy.inspection.statistics.proportions import Interval, proportion

_LARGEST_GRID = 4096
"""Dies along one axis of a map; a wafer of 300 mm with dies of 0.1 mm has 3000."""


class RingSpacing(StrEnum):
    """How a wafer is cut into rings."""

    WIDTH = "width"
    """Equal widths: the outer rings hold more dies."""
    AREA = "area"
    """Equal areas: about as many dies in each, and so intervals of like width."""


@dataclass(frozen=True, slots=True)
class ZoneYield:
    """Good dies of the inspected ones of a zone, with Wilson's interval."""

    zone: int
    inspected: int
    good: int
    estimate: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Repeater:
    """Defects at one place of several dies.

    Attributes:
        x_um: mean place in the die, um.
        y_um: mean place in the die, um.
        dies: how many distinct dies have it.
        defects: indices into the defects given, ascending.
        chance: upper estimate of the probability that scattered defects alone form one like it anywhere on the die;
            None without the area of the die.
    """

    x_um: float
    y_um: float
    dies: int
    defects: tuple[int, ...]
    chance: float | None


@dataclass(frozen=True, slots=True, eq=False)
class StackedMap:
    """Dies of several wafers laid on one another.

    Attributes:
        first_x: die column of the array's first column.
        first_y: die row of the array's first row.
        inspected: INT64 [rows, columns], how many wafers had that die inspected.
        bad: INT64 [rows, columns], on how many it was bad.
    """

    first_x: int
    first_y: int
    inspected: Counts
    bad: Counts

    @property
    def share(self) -> Floats:
        """Bad share, FP64 [rows, columns]; NaN where no wafer has a die."""
        share = np.full(self.bad.shape, np.nan)
        np.divide(self.bad, self.inspected, out=share, where=self.inspected > 0)
        return share


def quadrants(positions_mm: ArrayLike) -> Counts:
    """The quadrant of each die, INT64 [dies].

    Args:
        positions_mm: centres of the dies relative to the wafer's, [dies, 2], x to the right and y up.

    Returns:
        0 for x > 0, y >= 0, then counter-clockwise to 3. The wafer's very centre is in 0.

    Raises:
        InvalidRequest: not pairs of finite numbers.
    """
    x, y = _pairs(positions_mm, "positions_mm").T
    # By signs and not by an angle: atan2 of a tiny negative y rounds up to a full turn.
    quadrant = np.select(
        [(x > 0) & (y >= 0), (x <= 0) & (y > 0), (x < 0) & (y <= 0), (x >= 0) & (y < 0)], [0, 1, 2, 3], 0
    )
    return quadrant.astype(np.int64)


def rings(positions_mm: ArrayLike, radius_mm: float, number: int, spacing: RingSpacing = RingSpacing.AREA) -> Counts:
    """The ring of each die, INT64 [dies], 0 at the centre and `number` - 1 at the edge.

    Args:
        positions_mm: centres of the dies relative to the wafer's, [dies, 2].
        radius_mm: of the wafer.
        number: of rings.
        spacing: equal widths or equal areas. A border belongs to the ring outside of it, the wafer's edge to the last.

    Raises:
        InvalidRequest: a die whose centre lies beyond the radius, or no ring.
    """
    places, radius, wanted = (
        _pairs(positions_mm, "positions_mm"),
        positive(radius_mm, "radius_mm"),
        count(number, "number", least=1),
    )
    distance = np.hypot(places[:, 0], places[:, 1]) / radius
    if distance.size and float(distance.max()) > 1.0:
        raise InvalidRequest(
            f"A die lies {float(distance.max()) * radius:g} mm from the centre of a wafer of radius {radius:g} mm.",
            param="radius_mm",
        )
    depth = distance if spacing is RingSpacing.WIDTH else distance**2
    ring: Counts = np.minimum(np.floor(depth * wanted), wanted - 1).astype(np.int64)
    return ring


def zone_yields(zones: ArrayLike, good: ArrayLike, confidence: float = 0.95) -> tuple[ZoneYield, ...]:
    """The yield of each zone that holds dies, by zone.

    Args:
        zones: from `rings`, `quadrants` or both in one number, [dies]; dies of several wafers may be joined.
        good: whether the die is good, [dies].
        confidence: of the intervals.

    Raises:
        InvalidRequest: arrays of different lengths.
    """
    zone, verdict = counts(zones, "zones"), flags(good, "good")
    same_length("good", zone, verdict)
    names, place = np.unique(zone, return_inverse=True)
    inspected = np.bincount(place, minlength=len(names)).tolist()
    passed = np.bincount(place[verdict], minlength=len(names)).tolist()
    shares = [proportion(hits, size, confidence) for hits, size in zip(passed, inspected, strict=True)]
    return tuple(
        ZoneYield(name, share.trials, share.successes, share.estimate, share.interval)
        for name, share in zip(names.tolist(), shares, strict=True)
    )


def repeaters(
    dies: ArrayLike,
    positions_um: ArrayLike,
    *,
    tolerance_um: float,
    least_dies: int = 3,
    die_area_um2: float | None = None,
) -> tuple[Repeater, ...]:
    """Places at which several dies have a defect.

    Greedy: the defect with the most dies within the tolerance around it takes all defects there, then the next. A
        chain of
    neighbours therefore never grows into one long repeater. Defects that scatter by no more than half the tolerance
    around one place all lie within it of each other.

    Args:
        dies: a number for the die of each defect, [defects]; dies of different wafers need different numbers.
        positions_um: place of each defect relative to its die, [defects, 2].
        tolerance_um: how far apart, at most.
        least_dies: distinct dies that make a repeater.
        die_area_um2: area of a die; with it `chance` is told: the defects times the Poisson probability that so many
            others fall within the tolerance of one, if all were spread evenly.

    Returns:
        By falling number of dies, then by x and y.

    Raises:
        InvalidRequest: arrays of different lengths, a tolerance or area that is not above zero, fewer than two dies
            wanted.
    """
    labels, places = integers(dies, "dies"), _pairs(positions_um, "positions_um")
    same_length("positions_um", labels, places)
    tolerance, least = positive(tolerance_um, "tolerance_um"), count(least_dies, "least_dies", least=2)
    area = None if die_area_um2 is None else positive(die_area_um2, "die_area_um2")
    groups = _densest_first(labels, places, tolerance, least)
    density = None if area is None else len(labels) * math.pi * tolerance**2 / area
    found = [
        Repeater(
            float(places[members, 0].mean()),
            float(places[members, 1].mean()),
            number,
            tuple(members.tolist()),
            None if density is None else min(1.0, len(labels) * float(poisson.sf(number - 2, density))),
        )
        for number, members in groups
    ]
    return tuple(sorted(found, key=lambda repeater: (-repeater.dies, repeater.x_um, repeater.y_um)))


def stack(die_x: ArrayLike, die_y: ArrayLike, bad: ArrayLike) -> StackedMap:
    """Lay the dies of several wafers on one another.

    Args:
        die_x: die column, whole numbers of either sign, [dies].
        die_y: die row, [dies].
        bad: whether the die is bad, [dies].

    Raises:
        InvalidRequest: no die, arrays of different lengths, or a grid of more than 4096 dies along an axis.
    """
    x, y, wrong = integers(die_x, "die_x"), integers(die_y, "die_y"), flags(bad, "bad")
    same_length("die_y", x, y)
    same_length("bad", x, wrong)
    if not len(x):
        raise InvalidRequest("A map needs at least one die.", param="die_x")
    first_x, first_y = int(x.min()), int(y.min())
    columns, rows = int(x.max()) - first_x + 1, int(y.max()) - first_y + 1
    if max(columns, rows) > _LARGEST_GRID:
        raise InvalidRequest(
            f"The map would have {columns} x {rows} dies; at most {_LARGEST_GRID} along an axis.",
            param="die_x" if columns > _LARGEST_GRID else "die_y",
        )
    place = (y - first_y) * columns + (x - first_x)
    inspected = np.bincount(place, minlength=rows * columns).reshape(rows, columns)
    return StackedMap(
        first_x,
        first_y,
        inspected.astype(np.int64),
        np.bincount(place[wrong], minlength=rows * columns).reshape(rows, columns).astype(np.int64),
    )


def _pairs(values: ArrayLike, param: str) -> Floats:
    array = floats(values, param, dimensions=2)
    if array.shape[1] != 2:
        raise InvalidRequest(f"'{param}' has rows of {array.shape[1]} numbers; give x and y.", param=param)
    return array


def _densest_first(labels: Counts, places: Floats, tolerance: float, least: int) -> list[tuple[int, Counts]]:
    """Groups as (distinct dies, indices), taken greedily.

    The heap holds upper bounds. Taking defects away only lowers a number, so a bound that is still exact when it
    comes up is the largest. Neighbours are listed only then: ten thousand defects at one place would have a hundred
    million.
    """
    if len(labels) < least:
        return []
    tree = cKDTree(places)
    near = np.asarray(tree.query_ball_point(places, tolerance, return_length=True), dtype=np.int64)
    heap = [
        (-bound, x, y, index)
        for index, (bound, (x, y)) in enumerate(zip(near.tolist(), places.tolist(), strict=True))
        if bound >= least
    ]
    heapq.heapify(heap)
    alive = np.ones(len(labels), dtype=np.bool_)
    groups = []
    while heap:
        bound, x, y, index = heapq.heappop(heap)
        if not alive[index]:
            continue
        around = np.sort(np.asarray(tree.query_ball_point(places[index], tolerance), dtype=np.int64))
        members = around[alive[around]]
        number = len(np.unique(labels[members]))
        if number < least:
            continue
        if number < -bound:
            heapq.heappush(heap, (-number, x, y, index))
            continue
        alive[members] = False
        groups.append((number, members))
    return groups
