"""Places on a die, in fractions of its width and height, and whether a box touches them or lies inside of them.

Sets are closed: a box that shares only an edge with a zone touches it. That errs on the side of the stricter rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from argosy.inspection.judging.seen import Box

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """All within x0, y0, x1, y1."""

    box: Box

    def touches(self, box: Box) -> bool:
        """Whether the box has a point in it."""
        return _meet(self.box, box)

    def holds(self, box: Box) -> bool:
        """Whether all of the box lies in it."""
        return _within(box, self.box)

    def to_mapping(self) -> dict[str, Any]:
        """As it stands in a rule set."""
        return {"rectangle": list(self.box)}


@dataclass(frozen=True, slots=True)
class Outside:
    """All outside of x0, y0, x1, y1, past the edges of the die too: an edge exclusion."""

    box: Box

    def touches(self, box: Box) -> bool:
        """Whether the box has a point in it."""
        (x0, y0, x1, y1), (left, top, right, bottom) = box, self.box
        return x0 <= left or y0 <= top or x1 >= right or y1 >= bottom

    def holds(self, box: Box) -> bool:
        """Whether all of the box lies in it."""
        (x0, y0, x1, y1), (left, top, right, bottom) = box, self.box
        return x1 <= left or y1 <= top or x0 >= right or y0 >= bottom

    def to_mapping(self) -> dict[str, Any]:
        """As it stands in a rule set."""
        return {"outside": list(self.box)}


@dataclass(frozen=True, slots=True)
class Polygon:
    """All within a closed line that does not cross itself; it need not be convex."""

    points: tuple[Point, ...]

    def touches(self, box: Box) -> bool:
        """Whether the box has a point in it."""
        return any(_clip(*edge, box) is not None for edge in self.edges()) or self._has((box[0], box[1]))

    def holds(self, box: Box) -> bool:
        """Whether all of the box lies in it.

        When no edge runs through the inside of the box, that is all within or all without, as its middle is.
        """
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return not any(_crosses_inside(*edge, box) for edge in self.edges()) and self._has(middle)

    def edges(self) -> Iterator[tuple[Point, Point]]:
        """Its sides, in order."""
        return zip(self.points, self.points[1:] + self.points[:1], strict=True)

    @property
    def area(self) -> float:
        """By the shoelace formula, in units of the die's area."""
        return abs(sum(x * v - u * y for (x, y), (u, v) in self.edges())) / 2

    @property
    def is_simple(self) -> bool:
        """Whether no two of its sides meet, but neighbours in the corner they share."""
        edges = list(self.edges())
        last = len(edges) - 1
        return not any(
            _segments_meet(*edges[one], *edges[other])
            for one in range(len(edges))
            for other in range(one + 2, len(edges))
            if (one, other) != (0, last)
        )

    def to_mapping(self) -> dict[str, Any]:
        """As it stands in a rule set."""
        return {"polygon": [list(point) for point in self.points]}

    def _has(self, point: Point) -> bool:
        """By the number of sides to the right of the point, which is odd inside."""
        x, y = point
        inside = False
        for (ax, ay), (bx, by) in self.edges():
            if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                inside = not inside
        return inside


Shape = Rectangle | Outside | Polygon


@dataclass(frozen=True, slots=True)
class Zone:
    """Shapes under one name. A box lies inside when one of the shapes holds all of it."""

    name: str
    shapes: tuple[Shape, ...]

    def touches(self, box: Box) -> bool:
        """Whether the box, in fractions of the die, has a point in any shape."""
        return any(shape.touches(box) for shape in self.shapes)

    def holds(self, box: Box) -> bool:
        """Whether the box, in fractions of the die, lies inside of one shape."""
        return any(shape.holds(box) for shape in self.shapes)


def _meet(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _within(inner: Box, outer: Box) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _clip(start: Point, end: Point, box: Box) -> tuple[float, float] | None:
    """The part of a line, as shares of its length, that lies in the box (Liang and Barsky, 1984); None without one."""
    (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
    first, last = 0.0, 1.0
    for step, room in ((-dx, x - box[0]), (dx, box[2] - x), (-dy, y - box[1]), (dy, box[3] - y)):
        if step == 0:
            if room < 0:
                return None
        elif step < 0:
            first = max(first, room / step)
        else:
            last = min(last, room / step)
    return (first, last) if first <= last else None


def _crosses_inside(start: Point, end: Point, box: Box) -> bool:
    """Whether the line has a point strictly in the box: then the middle of its part in the box is one."""
    part = _clip(start, end, box)
    if part is None:
        return False
    share = (part[0] + part[1]) / 2
    x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
    return box[0] < x < box[2] and box[1] < y < box[3]


def _segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    sides = (_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b))
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _between(*end) for side, end in zip(sides, ends, strict=True))


def _side(a: Point, b: Point, c: Point) -> float:
    """Positive, negative or zero as c lies to one side, the other, or on the line through a and b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _between(a: Point, b: Point, c: Point) -> bool:
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
