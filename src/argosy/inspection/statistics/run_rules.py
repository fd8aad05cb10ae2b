"""Run rules: patterns of points that chance seldom makes, though each may lie within the limits.

Sources:
    Western Electric, "Statistical Quality Control Handbook" (1956), pp. 23-28.
    L. S. Nelson, "The Shewhart control chart - tests for special causes", Journal of Quality Technology 16 (1984)
    237-239.

All rules take points standardised to z = (value - centre) / sigma, in time order. "Beyond" is strict, and what is not
beyond is within; a point on the centre line is on neither side; equal neighbours are neither rise nor fall. A pattern
is told at the point that completes it, and again at each later point that prolongs it. Several rules together raise
the rate of false alarms: the four of Western Electric give about one in 92 points on a chart in control (Champ &
Woodall, Technometrics 29 (1987) 393-399).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argosy.inspection.statistics.arguments import Floats, floats

Mask = NDArray[np.bool_]


class Rule(StrEnum):
    """A run rule. The value is its stable name."""

    WE1 = "we1"
    """One point beyond 3 sigma."""
    WE2 = "we2"
    """Two of three points beyond 2 sigma, on one side."""
    WE3 = "we3"
    """Four of five points beyond 1 sigma, on one side."""
    WE4 = "we4"
    """Eight points in a row on one side."""
    NELSON1 = "nelson1"
    """One point beyond 3 sigma."""
    NELSON2 = "nelson2"
    """Nine points in a row on one side."""
    NELSON3 = "nelson3"
    """Six points in a row that rise, or that fall."""
    NELSON4 = "nelson4"
    """Fourteen points in a row that alternate up and down."""
    NELSON5 = "nelson5"
    """Two of three points beyond 2 sigma, on one side."""
    NELSON6 = "nelson6"
    """Four of five points beyond 1 sigma, on one side."""
    NELSON7 = "nelson7"
    """Fifteen points in a row within 1 sigma, on either side."""
    NELSON8 = "nelson8"
    """Eight points in a row beyond 1 sigma, on either side."""


WESTERN_ELECTRIC = (Rule.WE1, Rule.WE2, Rule.WE3, Rule.WE4)
NELSON = (
    Rule.NELSON1,
    Rule.NELSON2,
    Rule.NELSON3,
    Rule.NELSON4,
    Rule.NELSON5,
    Rule.NELSON6,
    Rule.NELSON7,
    Rule.NELSON8,
)


@dataclass(frozen=True, slots=True)
class Signal:
    """A rule that fired.

    Attributes:
        rule: which.
        point: index of the point that completes the pattern.
        points: indices of the points that make it, ascending; `point` is the last.
    """

    rule: Rule
    point: int
    points: tuple[int, ...]


def run_rules(z: ArrayLike, rules: Iterable[Rule] = WESTERN_ELECTRIC) -> tuple[Signal, ...]:
    """Every signal, by point and then in the order of `rules`.

    Args:
        z: standardised points, FP64 [points], in time order.
        rules: which to judge by.

    Raises:
        InvalidRequest: a point that is not a finite number.
    """
    points = floats(z, "z")
    order = list(dict.fromkeys(rules))
    signals = [signal for rule in order for signal in _PATTERNS[rule](rule, points)]
    return tuple(sorted(signals, key=lambda signal: (signal.point, order.index(signal.rule))))


def _beyond(needed: int, window: int, sigmas: float) -> Callable[[Rule, Floats], list[Signal]]:
    """`needed` of `window` points further than `sigmas` from the centre, on one side, the last among them."""

    def find(rule: Rule, points: Floats) -> list[Signal]:
        return [signal for side in (1.0, -1.0) for signal in _some_of(rule, side * points > sigmas, needed, window)]

    return find


def _in_a_row(
    length: int, holds: Callable[[Floats], Iterable[Mask]], reach: int
) -> Callable[[Rule, Floats], list[Signal]]:
    """`length` points in a row, where each mask holds; a mask's element stands for `reach` points that end at it."""

    def find(rule: Rule, points: Floats) -> list[Signal]:
        needed = length - reach + 1
        return [
            Signal(rule, end + reach - 1, tuple(range(end + reach - length, end + reach)))
            for mask in holds(points)
            for end in _run_ends(mask, needed)
        ]

    return find


def _some_of(rule: Rule, mask: Mask, needed: int, window: int) -> list[Signal]:
    signals = []
    for point in np.flatnonzero(mask).tolist():
        first = max(0, point - window + 1)
        inside = first + np.flatnonzero(mask[first : point + 1])
        if len(inside) >= needed:
            signals.append(Signal(rule, point, tuple(inside.tolist())))
    return signals


def _run_ends(mask: Mask, needed: int) -> list[int]:
    """Indices at which the last `needed` elements all hold."""
    if len(mask) < needed:
        return []
    total = np.concatenate(([0], np.cumsum(mask)))
    ends: list[int] = (np.flatnonzero(total[needed:] - total[:-needed] == needed) + needed - 1).tolist()
    return ends


def _sides(points: Floats) -> tuple[Mask, Mask]:
    return points > 0.0, points < 0.0


def _trends(points: Floats) -> tuple[Mask, Mask]:
    steps = np.diff(points)
    return steps > 0.0, steps < 0.0


def _alternations(points: Floats) -> tuple[Mask]:
    steps = np.sign(np.diff(points))
    return (steps[1:] * steps[:-1] < 0.0,)


def _within(points: Floats) -> tuple[Mask]:
    return (np.abs(points) <= 1.0,)


def _away(points: Floats) -> tuple[Mask]:
    return (np.abs(points) > 1.0,)


_PATTERNS: dict[Rule, Callable[[Rule, Floats], list[Signal]]] = {
    Rule.WE1: _beyond(1, 1, 3.0),
    Rule.WE2: _beyond(2, 3, 2.0),
    Rule.WE3: _beyond(4, 5, 1.0),
    Rule.WE4: _in_a_row(8, _sides, 1),
    Rule.NELSON1: _beyond(1, 1, 3.0),
    Rule.NELSON2: _in_a_row(9, _sides, 1),
    Rule.NELSON3: _in_a_row(6, _trends, 2),
    Rule.NELSON4: _in_a_row(14, _alternations, 3),
    Rule.NELSON5: _beyond(2, 3, 2.0),
    Rule.NELSON6: _beyond(4, 5, 1.0),
    Rule.NELSON7: _in_a_row(15, _within, 1),
    Rule.NELSON8: _in_a_row(8, _away, 1),
}
