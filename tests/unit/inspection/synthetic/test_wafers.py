from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.defects import Defect
from argosy.inspection.synthetic.wafers import (
    RETICLE,
    SIGNATURES,
    USABLE_MM,
    Event,
    Process,
    Wafer,
    die_grid,
    draw_wafer,
)

SEEDS = range(12)


def wafers(process: Process) -> list[Wafer]:
    return [draw_wafer(seed, 0, 0, 0, density=0.0, signatures=(process,)) for seed in SEEDS]


def places(wafer: Wafer) -> np.ndarray:
    return np.array([wafer.grid.place(event) for event in wafer.events])


@given(width=st.floats(3, 40), height=st.floats(3, 40))
def test_whole_dies_lie_within_the_usable_radius(width: float, height: float) -> None:
    """All four corners of every die keep out of the edge exclusion."""
    grid = die_grid(width, height)
    for row, column in grid.dies:
        x, y = grid.corner(row, column)
        corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
        assert max(math.hypot(*corner) for corner in corners) <= USABLE_MM + 1e-6


@given(u=st.floats(0.001, 0.999), v=st.floats(0.001, 0.999))
def test_a_place_leads_back_to_its_die(u: float, v: float) -> None:
    """Millimetres and die positions are two names for one place."""
    grid = die_grid(9.3, 7.7)
    row, column = grid.dies[17]
    event = Event(row, column, u, v, Defect.STAIN, Process.RANDOM)
    back = grid.site(*grid.place(event))
    assert back[:2] == (row, column)
    assert back[2:] == pytest.approx((u, v))


def test_random_defects_follow_a_poisson_law() -> None:
    """Counts per die have mean and variance of the density."""
    wafer = draw_wafer(1, 0, 0, 0, density=2.0, signatures=())
    counts = [len(wafer.events_on(*site)) for site in wafer.grid.dies]
    assert np.mean(counts) == pytest.approx(2.0, rel=0.15)
    assert np.var(counts) == pytest.approx(2.0, rel=0.3)
    assert {event.process for event in wafer.events} == {Process.RANDOM}


def test_clusters_are_denser_than_chance() -> None:
    """Half of the clustered defects have their nearest neighbour within 3 mm; a random wafer's are farther apart."""
    nearest = []
    for wafer in wafers(Process.CLUSTER):
        points = places(wafer)
        if len(points) > 1:
            distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
            np.fill_diagonal(distance, np.inf)
            nearest += distance.min(1).tolist()
    assert np.median(nearest) < 3


def test_a_ring_has_one_radius() -> None:
    """Radii scatter by a few millimetres, angles go all round."""
    for wafer in wafers(Process.RING):
        x, y = places(wafer).T
        radius = np.hypot(x, y)
        assert radius.std() < 7
        assert 0.25 * USABLE_MM < radius.mean() < 0.85 * USABLE_MM
        assert stats.kstest(np.arctan2(y, x), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4


def test_edge_defects_are_at_the_edge() -> None:
    """Every one lies in the outermost eighth of the usable radius."""
    for wafer in wafers(Process.EDGE):
        assert len(wafer.events) > 3
        assert np.hypot(*places(wafer).T).min() >= 0.875 * USABLE_MM - 1e-6


def test_a_scratch_line_is_straight() -> None:
    """Its scratches lie along one line over several dies, one on each, and run in the line's direction."""
    for wafer in wafers(Process.SCRATCH_LINE):
        points = places(wafer)
        middle = points - points.mean(0)
        _, spread, axes = np.linalg.svd(middle, full_matrices=False)
        assert len(points) >= 4
        assert spread[1] < 1e-6 * spread[0] + 1e-6
        assert len({(event.row, event.column) for event in wafer.events}) == len(points)
        event, grid = wafer.events[0], wafer.grid
        assert event.defect is Defect.SCRATCH
        assert event.angle is not None
        ran = np.array((math.cos(event.angle) * grid.die_width_mm, math.sin(event.angle) * grid.die_height_mm))
        assert abs(ran @ axes[0]) == pytest.approx(np.linalg.norm(ran))


def test_a_repeater_repeats_with_the_reticle() -> None:
    """One place and one class, on the same die of every field."""
    for wafer in wafers(Process.REPEATER):
        assert len({(event.u, event.v, event.defect) for event in wafer.events}) == 1
        fields = {(event.row % RETICLE[0], event.column % RETICLE[1]) for event in wafer.events}
        assert len(fields) == 1
        of_field = [site for site in wafer.grid.dies if (site[0] % RETICLE[0], site[1] % RETICLE[1]) in fields]
        assert sorted((event.row, event.column) for event in wafer.events) == of_field


@pytest.mark.parametrize("process", list(Process))
def test_defects_lie_on_dies_that_exist(process: Process) -> None:
    """No process places a defect outside of the whole dies."""
    signatures = () if process is Process.RANDOM else (process,)
    for seed in SEEDS:
        wafer = draw_wafer(seed, 1, 0, 0, density=0.1, signatures=signatures)
        assert {(event.row, event.column) for event in wafer.events} <= set(wafer.grid.dies)
        assert all(0 <= event.u <= 1 and 0 <= event.v <= 1 for event in wafer.events)


def test_the_seed_chooses_the_signature() -> None:
    """Left to the seed, some wafers have none and every signature comes up."""
    chosen = {draw_wafer(3, 0, 0, number).signatures for number in range(80)}
    assert chosen == {(), *((process,) for process in SIGNATURES)}


def test_a_wafer_does_not_depend_on_others() -> None:
    """The same address gives the same events, the next wafer others."""
    assert draw_wafer(3, 2, 1, 7) == draw_wafer(3, 2, 1, 7)
    assert draw_wafer(3, 2, 1, 7).events != draw_wafer(3, 2, 1, 8).events


def test_lots_have_styles_of_their_own() -> None:
    """Wafers of one lot share the style; two lots do not."""
    one, same_lot, other = draw_wafer(3, 2, 1, 0), draw_wafer(3, 2, 1, 1), draw_wafer(3, 2, 2, 0)
    assert one.style == same_lot.style != other.style
    assert replace(other, style=one.style).grid == one.grid


@pytest.mark.parametrize("density", [-0.1, math.nan, math.inf])
def test_impossible_densities_are_refused(density: float) -> None:
    """A density is a finite number of 0 or greater."""
    with pytest.raises(InvalidRequest) as refused:
        draw_wafer(1, 0, 0, 0, density=density)
    assert refused.value.param == "density"


@pytest.mark.parametrize(("seed", "product", "param"), [(-1, 0, "seed"), (1, -1, "address")])
def test_negative_numbers_are_refused(seed: int, product: int, param: str) -> None:
    """Seeds and addresses count from 0."""
    with pytest.raises(InvalidRequest) as refused:
        draw_wafer(seed, product, 0, 0)
    assert refused.value.param == param
