from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.proportions import proportion
from argosy.inspection.statistics.spatial import RingSpacing, quadrants, repeaters, rings, stack, zone_yields

DISC = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=50).map(np.array)


def test_quadrants_go_counter_clockwise() -> None:
    """Each axis belongs to the quadrant that follows it, and the centre to the first."""
    places = [(1, 1), (-1, 1), (-1, -1), (1, -1), (1, 0), (0, 1), (-1, 0), (0, -1), (0, 0), (1, -1e-300)]
    assert quadrants(places).tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 3]


@given(DISC)
def test_a_quarter_turn_moves_each_die_one_quadrant_on(places: np.ndarray) -> None:
    """Turning the wafer turns the zones with it."""
    off_centre = places[(places != 0).any(axis=1)].reshape(-1, 2)
    turned = np.column_stack((-off_centre[:, 1], off_centre[:, 0]))
    assert quadrants(turned).tolist() == ((quadrants(off_centre) + 1) % 4).tolist()


def test_rings_of_equal_width() -> None:
    """Borders belong to the outer ring and the edge of the wafer to the last."""
    places = [(0, 0), (49.9, 0), (0, 50), (60, 80), (0, -99)]
    assert rings(places, 100.0, 2, RingSpacing.WIDTH).tolist() == [0, 0, 1, 1, 1]


def test_rings_of_equal_area_hold_equally_many_dies() -> None:
    """On a fine grid each of five rings has a fifth of the dies, and the inner one reaches to R / sqrt 5."""
    axis = np.arange(-99.5, 100)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    grid = grid[np.hypot(*grid.T) <= 100]
    ring = rings(grid, 100.0, 5, RingSpacing.AREA)
    assert np.bincount(ring) / len(grid) == pytest.approx([0.2] * 5, abs=0.005)
    assert np.hypot(*grid[ring == 0].T).max() == pytest.approx(100 / math.sqrt(5), abs=1)


@given(DISC, st.integers(1, 9), st.floats(0, 2 * math.pi), st.sampled_from(RingSpacing))
def test_rings_stay_when_the_wafer_turns(places: np.ndarray, number: int, turn: float, spacing: RingSpacing) -> None:
    """A ring depends on the distance alone, grows with it, and lies in range."""
    ring = rings(places, 150.0, number, spacing)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    distance = np.hypot(*places.T)
    assert ((ring >= 0) & (ring < number)).all()
    assert (np.diff(ring[np.argsort(distance, kind="stable")]) >= 0).all()
    depth = distance / 150 * number if spacing is RingSpacing.WIDTH else (distance / 150) ** 2 * number
    inner = np.abs(depth - np.round(depth)) > 1e-9
    assert (rings(places @ rotation.T, 150.0, number, spacing) == ring)[inner].all()


def test_a_die_off_the_wafer_is_refused() -> None:
    """Its ring would be a guess."""
    with pytest.raises(InvalidRequest, match="141"):
        rings([(100.0, 100.0)], 100.0, 3)


def test_zones_have_yields() -> None:
    """Each zone that holds dies has its share and Wilson's interval."""
    found = zone_yields([2, 0, 2, 2, 0], [True, True, False, True, True])
    assert [(z.zone, z.inspected, z.good, z.estimate) for z in found] == [(0, 2, 2, 1.0), (2, 3, 2, 2 / 3)]
    assert found[1].interval == proportion(2, 3).interval


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_zones_share_out_all_dies(dies: list[tuple[int, bool]]) -> None:
    """Every die is in one zone, whatever the order."""
    found = zone_yields([zone for zone, _ in dies], [good for _, good in dies])
    assert sum(z.inspected for z in found) == len(dies)
    assert sum(z.good for z in found) == sum(good for _, good in dies)
    turned = zone_yields([zone for zone, _ in dies[::-1]], [good for _, good in dies[::-1]])
    assert found == turned


def test_a_repeater_among_scattered_defects() -> None:
    """A flaw on 12 dies with 3 um of scatter is found alone among 300 random defects, and its place within 2 um."""
    random = np.random.default_rng(6)
    places = random.uniform(0, 10000, (300, 2))
    flaw = np.array([4200.0, 7700.0]) + random.uniform(-2, 2, (12, 2))
    dies = np.concatenate((random.integers(0, 200, 300), np.arange(12)))
    (found,) = repeaters(dies, np.vstack((places, flaw)), tolerance_um=6, least_dies=4, die_area_um2=1e8)
    assert (found.dies, found.defects) == (12, tuple(range(300, 312)))
    assert math.hypot(found.x_um - 4200, found.y_um - 7700) < 2
    assert found.chance is not None
    assert found.chance < 1e-12


def test_the_chance_of_a_repeater() -> None:
    """It is the number of defects times the Poisson tail of the others within the tolerance, at most 1."""
    dies, places = [0, 1, 2, 3, 4], [(0, 0), (1, 0), (0, 1), (500, 500), (900, 900)]
    (found,) = repeaters(dies, places, tolerance_um=2, die_area_um2=1e6)
    expected = 5 * poisson.sf(1, 5 * math.pi * 4 / 1e6)
    assert found.chance == pytest.approx(expected)
    (likely,) = repeaters(dies, places, tolerance_um=2, die_area_um2=10.0)
    assert likely.chance == 1.0


def test_one_die_with_many_defects_is_no_repeater() -> None:
    """Dies count, not defects."""
    assert repeaters([7] * 9 + [8], [(1.0, 1.0)] * 10, tolerance_um=5) == ()


def test_a_chain_is_no_repeater() -> None:
    """Defects of many dies in a row, each near the next, are not joined beyond the tolerance."""
    places = [(4.0 * i, 0.0) for i in range(30)]
    found = repeaters(range(30), places, tolerance_um=5)
    assert max(repeater.dies for repeater in found) == 3


def test_scattered_defects_make_no_repeater() -> None:
    """500 random defects on 200 dies give none with a chance below 1 %, over 40 lots."""
    random = np.random.default_rng(8)
    for _ in range(40):
        dies, places = random.integers(0, 200, 500), random.uniform(0, 5000, (500, 2))
        found = repeaters(dies, places, tolerance_um=20, die_area_um2=2.5e7)
        assert not [repeater for repeater in found if repeater.chance is not None and repeater.chance < 0.01]


DEFECTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 12), st.integers(0, 12)), max_size=25, unique=True)


@given(DEFECTS, st.sampled_from([1.0, 1.5, 3.0]), st.integers(2, 4))
def test_repeaters_agree_with_a_slow_search(defects: list[tuple[int, int, int]], tolerance: float, least: int) -> None:
    """Greedy by the plain definition, recounting everything each time, gives the same; so does any order of defects."""
    dies, places = [d for d, _, _ in defects], [(float(x), float(y)) for _, x, y in defects]
    alive, expected = set(range(len(defects))), []
    while alive:
        groups = {i: {j for j in alive if math.dist(places[i], places[j]) <= tolerance} for i in alive}
        best = min(alive, key=lambda i: (-len({dies[j] for j in groups[i]}), *places[i], i))
        if len({dies[j] for j in groups[best]}) < least:
            break
        expected.append(frozenset(groups[best]))
        alive -= groups[best]
    found = repeaters(dies, np.array(places).reshape(-1, 2), tolerance_um=tolerance, least_dies=least)
    assert {frozenset(r.defects) for r in found} == set(expected)
    assert [r.dies for r in found] == sorted((r.dies for r in found), reverse=True)
    for one, other in combinations(found, 2):
        assert not set(one.defects) & set(other.defects)
    turned = repeaters(dies[::-1], np.array(places[::-1]).reshape(-1, 2), tolerance_um=tolerance, least_dies=least)
    assert [r.dies for r in turned] == [r.dies for r in found]


def test_thousands_at_one_place() -> None:
    """A flaw on every die of a lot is one repeater; its hundred million pairs are never listed."""
    (found,) = repeaters(range(10000), np.zeros((10000, 2)), tolerance_um=5)
    assert (found.dies, len(found.defects)) == (10000, 10000)


def test_a_stacked_map() -> None:
    """Dies add up over wafers; where no wafer has a die the share is NaN."""
    found = stack([-1, 1, -1, -1], [4, 5, 4, 4], [True, False, False, True])
    assert (found.first_x, found.first_y) == (-1, 4)
    assert found.inspected.tolist() == [[3, 0, 0], [0, 0, 1]]
    assert found.bad.tolist() == [[2, 0, 0], [0, 0, 0]]
    assert found.share[0, 0] == pytest.approx(2 / 3)
    assert np.isnan(found.share).tolist() == [[False, True, True], [True, True, False]]


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30), st.booleans()), min_size=1, max_size=80))
def test_stacking_loses_no_die(dies: list[tuple[int, int, bool]]) -> None:
    """Each cell counts the dies of its coordinates."""
    x, y, bad = map(list, zip(*dies, strict=True))
    found = stack(x, y, bad)
    assert int(found.inspected.sum()) == len(dies)
    for column, row, _ in dies:
        cell = (row - found.first_y, column - found.first_x)
        here = [wrong for c, r, wrong in dies if (c, r) == (column, row)]
        assert (found.inspected[cell], found.bad[cell]) == (len(here), sum(here))


@pytest.mark.parametrize(
    ("x", "y", "param"), [([], [], "die_x"), ([0, 9000], [0, 0], "die_x"), ([0, 0], [0, 9000], "die_y")]
)
def test_a_map_has_a_size(x: list[int], y: list[int], param: str) -> None:
    """No die, or coordinates that would fill the memory, are refused."""
    with pytest.raises(InvalidRequest) as refused:
        stack(x, y, [False] * len(x))
    assert refused.value.param == param


def test_places_are_pairs() -> None:
    """Three coordinates are not a place on a die."""
    with pytest.raises(InvalidRequest) as refused:
        repeaters([1], [(1.0, 2.0, 3.0)], tolerance_um=1)
    assert refused.value.param == "positions_um"
