from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from argosy.inspection.judging.seen import Box
from argosy.inspection.judging.zones import Outside, Polygon, Rectangle, Shape, Zone

U_SHAPE = Polygon(((0.1, 0.1), (0.3, 0.1), (0.3, 0.7), (0.7, 0.7), (0.7, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)))
"""Open at the top."""

_eighths = st.integers(0, 8).map(lambda eighth: eighth / 8)
"""Dyadic, so that sums and middles are exact and shared edges are common."""


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, x1 = sorted(draw(st.lists(_eighths, min_size=2, max_size=2, unique=True)))
    y0, y1 = sorted(draw(st.lists(_eighths, min_size=2, max_size=2, unique=True)))
    return (x0, y0, x1, y1)


@st.composite
def polygons(draw: st.DrawFn) -> Polygon:
    corners = draw(st.lists(st.tuples(_eighths, _eighths), min_size=3, max_size=7, unique=True))
    polygon = Polygon(tuple(corners))
    assume(polygon.area > 0 and polygon.is_simple)
    return polygon


def _inner_points(box: Box) -> np.ndarray:
    """Points strictly inside the box, off the lines of the grid of eighths."""
    steps = (np.arange(23) + 0.503) / 23
    x, y = box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1])
    return np.array(list(itertools.product(x, y)))


def _winding(polygon: Polygon, points: np.ndarray) -> np.ndarray:
    """Whether each point is inside, by the sum of the angles under which it sees the sides: not the way of the code."""
    corners = np.array(polygon.points)
    start = corners[None] - points[:, None]
    end = np.roll(corners, -1, axis=0)[None] - points[:, None]
    cross = start[..., 0] * end[..., 1] - start[..., 1] * end[..., 0]
    return np.abs(np.arctan2(cross, (start * end).sum(-1)).sum(1)) > np.pi


@pytest.mark.parametrize(
    ("box", "touches", "holds"),
    [
        ((0.2, 0.2, 0.4, 0.4), True, True),
        ((0.1, 0.1, 0.5, 0.5), True, True),
        ((0.0, 0.0, 0.2, 0.2), True, False),
        ((0.0, 0.0, 0.1, 0.1), True, False),
        ((0.0, 0.2, 0.9, 0.3), True, False),
        ((0.6, 0.2, 0.7, 0.3), False, False),
        ((0.2, 0.6, 0.3, 0.7), False, False),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [Rectangle((0.1, 0.1, 0.5, 0.5)), Polygon(((0.1, 0.1), (0.5, 0.1), (0.5, 0.5), (0.1, 0.5)))],
    ids=["rectangle", "polygon"],
)
def test_a_rectangle_is_closed(shape: Shape, box: Box, touches: bool, holds: bool) -> None:
    """A shared edge is a touch, and a box up to the edges is inside; drawn as a polygon it is the same."""
    assert (shape.touches(box), shape.holds(box)) == (touches, holds)


@pytest.mark.parametrize(
    ("box", "touches", "holds"),
    [
        ((0.4, 0.4, 0.6, 0.6), False, False),
        ((0.1, 0.4, 0.6, 0.6), True, False),
        ((0.0, 0.4, 0.2, 0.6), True, False),
        ((0.0, 0.4, 0.1, 0.6), True, True),
        ((0.4, 0.92, 0.6, 1.0), True, True),
        ((0.95, 0.0, 1.2, 1.0), True, True),
        ((-0.3, -0.2, -0.1, 1.2), True, True),
        ((0.0, 0.0, 1.0, 1.0), True, False),
    ],
)
def test_outside_is_all_that_the_rectangle_is_not(box: Box, touches: bool, holds: bool) -> None:
    """An edge exclusion has no end outwards, and holds nothing that reaches across its inner edge."""
    shape = Outside((0.1, 0.1, 0.9, 0.9))
    assert (shape.touches(box), shape.holds(box)) == (touches, holds)


@pytest.mark.parametrize(
    ("box", "touches", "holds"),
    [
        ((0.15, 0.2, 0.25, 0.3), True, True),
        ((0.15, 0.75, 0.85, 0.85), True, True),
        ((0.4, 0.2, 0.6, 0.5), False, False),
        ((0.2, 0.2, 0.8, 0.3), True, False),
        ((0.0, 0.0, 1.0, 1.0), True, False),
        ((0.4, 0.6, 0.6, 0.75), True, False),
        ((0.92, 0.2, 0.95, 0.3), False, False),
    ],
)
def test_a_polygon_need_not_be_convex(box: Box, touches: bool, holds: bool) -> None:
    """All four corners of a box in the arms of a U do not make it lie inside."""
    assert (U_SHAPE.touches(box), U_SHAPE.holds(box)) == (touches, holds)


@given(polygons(), boxes())
@settings(deadline=None)
def test_a_polygon_agrees_with_points_drawn_from_the_box(polygon: Polygon, box: Box) -> None:
    """What it holds has all points inside; what it does not hold has one outside; what it does not touch has none."""
    inside = _winding(polygon, _inner_points(box))
    if polygon.holds(box):
        assert inside.all()
        assert polygon.touches(box)
    if not polygon.touches(box):
        assert not inside.any()
    if inside.any():
        assert polygon.touches(box)
    if not inside.all():
        assert not polygon.holds(box)


@given(boxes(), boxes())
@settings(deadline=None)
def test_rectangle_and_outside_are_complements(inner: Box, box: Box) -> None:
    """What lies within the one touches the other at most at its edge, and every box touches one of them."""
    rectangle, outside = Rectangle(inner), Outside(inner)
    assert rectangle.touches(box) or outside.holds(box)
    assert outside.touches(box) or rectangle.holds(box)
    assert not (rectangle.holds(box) and outside.holds(box))


def test_a_zone_holds_what_one_of_its_shapes_holds() -> None:
    """A box across two shapes touches the zone, and is inside of neither."""
    zone = Zone("pads", (Rectangle((0.0, 0.0, 0.2, 0.2)), Rectangle((0.2, 0.0, 0.4, 0.2))))
    assert zone.holds((0.25, 0.05, 0.3, 0.1))
    assert zone.touches((0.15, 0.05, 0.25, 0.1))
    assert not zone.holds((0.15, 0.05, 0.25, 0.1))
    assert not zone.touches((0.5, 0.5, 0.6, 0.6))


@pytest.mark.parametrize(
    ("points", "simple"),
    [
        (((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)), True),
        (((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.5)), False),
        (((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.25, 0.0), (0.0, 0.5)), False),
        (U_SHAPE.points, True),
    ],
)
def test_sides_that_meet_are_found(points: tuple[tuple[float, float], ...], simple: bool) -> None:
    """A bow tie crosses itself, and a corner on another side touches it."""
    assert Polygon(points).is_simple is simple


def test_the_area_does_not_depend_on_the_direction() -> None:
    """By the shoelace formula, either way around."""
    assert U_SHAPE.area == pytest.approx(0.8 * 0.8 - 0.4 * 0.6)
    assert Polygon(U_SHAPE.points[::-1]).area == pytest.approx(U_SHAPE.area)
