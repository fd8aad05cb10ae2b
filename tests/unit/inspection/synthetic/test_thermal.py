from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.thermal import (
    CLASSES,
    OVERHEAT_CELSIUS,
    SIZE,
    ThermalFrame,
    draw_frame,
    draw_lot,
    draw_product,
    median_excess,
    steady_rise,
)

SEED = 7


def frames_of(name: str, count: int = 8) -> list[ThermalFrame]:
    return [draw_frame(SEED, product, 0, index, name) for product in range(count // 2) for index in range(2)]


def test_equal_seeds_give_equal_frames() -> None:
    """A frame is a function of its seed and numbers, whatever was drawn in between."""
    first = draw_frame(SEED, 1, 2, 3, "hotspot")
    draw_frame(SEED, 1, 2, 2, "void")
    again = draw_frame(SEED, 1, 2, 3, "hotspot")
    np.testing.assert_array_equal(first.temperature, again.temperature)
    np.testing.assert_array_equal(first.hotspot_mask, again.hotspot_mask)


@pytest.mark.parametrize("numbers", [(8, 1, 2, 3), (7, 0, 2, 3), (7, 1, 1, 3), (7, 1, 2, 4)])
def test_each_number_changes_the_frame(numbers: tuple[int, int, int, int]) -> None:
    """Seed, product, lot and index each give another frame."""
    assert not np.array_equal(draw_frame(7, 1, 2, 3).temperature, draw_frame(*numbers).temperature)


def test_the_seed_chooses_the_class_unless_told() -> None:
    """Without a label most frames are normal, faults occur, and the label drawn changes nothing when asked for."""
    drawn = [draw_frame(SEED, 0, 0, index) for index in range(40)]
    labels = [frame.label for frame in drawn]
    assert labels.count("normal") > 12
    assert len(set(labels)) >= 4
    np.testing.assert_array_equal(drawn[5].temperature, draw_frame(SEED, 0, 0, 5, labels[5]).temperature)


@pytest.mark.parametrize("name", CLASSES)
def test_frames_are_plausible_degrees_celsius(name: str) -> None:
    """Every frame is float32 of the documented size, between room temperature and what silicon survives."""
    for frame in frames_of(name):
        assert frame.temperature.dtype == np.float32
        assert frame.temperature.shape == frame.hotspot_mask.shape == (SIZE, SIZE)
        assert frame.temperature.min() > 15.0
        assert frame.temperature.max() < 150.0
        assert frame.label == name


@pytest.mark.parametrize("name", ["normal", "edge_gradient", "overheat"])
def test_heat_without_a_place_has_no_mask(name: str) -> None:
    """Only hotspots and voids are marked."""
    assert not any(frame.hotspot_mask.any() for frame in frames_of(name))


@pytest.mark.parametrize("name", ["hotspot", "void"])
def test_the_mask_is_where_the_heat_is(name: str) -> None:
    """The added heat peaks inside of the mask and is greater there than outside; it is a small part of the die."""
    for frame in frames_of(name):
        excess, mask = frame.excess, frame.hotspot_mask
        assert mask.flat[excess.argmax()]
        assert excess[mask].mean() > 3.0 * excess[~mask].mean()
        assert 0.0005 < mask.mean() < 0.25


@pytest.mark.parametrize("name", ["hotspot", "void"])
def test_the_camera_sees_the_heat_of_the_mask(name: str) -> None:
    """Each marked region is warmer in the frame than its surroundings, over many frames on average clearly."""
    above = []
    for frame in frames_of(name):
        regions, count = label(frame.hotspot_mask)
        for number in range(1, count + 1):
            region = regions == number
            around = binary_dilation(region, iterations=6) & ~binary_dilation(frame.hotspot_mask, iterations=3)
            above.append(frame.temperature[region].mean() - frame.temperature[around].mean())
    assert np.mean(above) > 1.0
    assert np.mean(np.array(above) > 0.0) > 0.85


def test_a_hotspot_is_smaller_than_a_void() -> None:
    """A leak heats a few pixels, a void an area."""
    hotspots = np.mean([frame.hotspot_mask.sum() / label(frame.hotspot_mask)[1] for frame in frames_of("hotspot")])
    voids = np.mean([frame.hotspot_mask.sum() for frame in frames_of("void")])
    assert voids > 2.0 * hotspots


def test_overheat_passes_the_limit_and_normal_stays_below() -> None:
    """The limit is passed by every overheated die and by no normal one, bad pixels and noise aside."""
    assert min(np.quantile(frame.temperature, 0.999) for frame in frames_of("overheat")) > OVERHEAT_CELSIUS - 1.0
    assert max(np.quantile(frame.temperature, 0.999) for frame in frames_of("normal")) < OVERHEAT_CELSIUS + 10.0
    for frame in frames_of("overheat"):
        assert frame.excess.min() >= 0.0


def test_an_edge_gradient_heats_one_edge() -> None:
    """The heat that it adds is greatest at one edge and smallest at the edge across."""
    for frame in frames_of("edge_gradient"):
        edges = np.array([frame.excess[0], frame.excess[:, -1], frame.excess[-1], frame.excess[:, 0]]).mean(axis=1)
        warmest = int(edges.argmax())
        assert edges[warmest] > 2.0
        assert edges[(warmest + 2) % 4] < 0.2 * edges[warmest]


def test_rows_carry_noise_of_their_own() -> None:
    """The mean of a row differs from its neighbours' by more than the noise of single pixels explains."""
    lot = draw_lot(SEED, 0, 0)
    ratios = []
    for index in range(8):
        frame = draw_frame(SEED, 0, 0, index, "normal").temperature - lot.fixed_pattern
        # Third differences take away what is smooth in the die.
        rows, columns = np.diff(frame.mean(axis=1), 3), np.diff(frame.mean(axis=0), 3)
        ratios.append(rows.std() / columns.std())
    assert np.median(ratios) > 1.5


def test_a_lot_shares_its_fixed_pattern() -> None:
    """The fine structure of two frames correlates inside of a lot and not between lots."""

    def fine(lot: int, index: int) -> np.ndarray:
        return np.diff(draw_frame(SEED, 0, lot, index, "normal").temperature, 2, axis=1).ravel()

    assert np.corrcoef(fine(0, 0), fine(0, 1))[0, 1] > 0.2
    assert abs(np.corrcoef(fine(0, 0), fine(1, 0))[0, 1]) < 0.1


def test_power_without_spreading_stays_where_it_is() -> None:
    """With no spreading length the rise is power over conductance."""
    rng = np.random.default_rng(SEED)
    power, sink = rng.uniform(1.0, 2.0, (16, 24)), rng.uniform(0.5, 1.5, (16, 24))
    np.testing.assert_allclose(steady_rise(power, sink, 0.0), power / sink, rtol=1e-4)


def test_heat_is_conserved() -> None:
    """What flows to the sink is what the power puts in: summed over the die, s times rise equals p."""
    product = draw_product(SEED, 0)
    sink = np.where(np.arange(SIZE) < 40, 0.3, 1.1)[:, None] * np.ones((1, SIZE))
    rise = steady_rise(product.power, sink, product.spreading)
    assert (sink * rise).sum() == pytest.approx(product.power.sum(), rel=1e-5)
    assert rise.min() > 0.0


def test_the_equation_holds_at_every_pixel() -> None:
    """The five-point equation with insulated edges, written out directly, is satisfied."""
    rng = np.random.default_rng(SEED)
    power, sink, spreading = rng.uniform(0.0, 5.0, (20, 28)), rng.uniform(0.2, 1.2, (20, 28)), 4.0
    rise = steady_rise(power, sink, spreading)
    walled = np.pad(rise, 1, mode="edge")
    laplacian = walled[2:, 1:-1] + walled[:-2, 1:-1] + walled[1:-1, 2:] + walled[1:-1, :-2] - 4.0 * rise
    np.testing.assert_allclose(sink * rise - spreading**2 * laplacian, power, atol=1e-3)


def test_the_rule_finds_a_lone_spot_and_nothing_on_a_slope() -> None:
    """The median rule gives the height of a small spot, and next to nothing where temperature only slopes."""
    slope = np.linspace(30.0, 50.0, SIZE, dtype=np.float32) * np.ones((SIZE, 1), np.float32)
    spot = slope.copy()
    spot[60:66, 70:76] += 8.0
    assert np.abs(median_excess(slope)[:, 30:-30]).max() < 0.2
    assert median_excess(spot)[61:65, 71:75].min() > 4.0


@pytest.mark.parametrize("numbers", [(-1, 0, 0, 0), (0, -1, 0, 0), (0, 0, -1, 0), (0, 0, 0, -1)])
def test_negative_numbers_are_refused(numbers: tuple[int, int, int, int]) -> None:
    """A seed or number below 0 is the caller's mistake."""
    with pytest.raises(InvalidRequest, match="negative"):
        draw_frame(*numbers)


def test_an_unknown_class_is_refused() -> None:
    """The message lists the classes there are."""
    with pytest.raises(InvalidRequest, match="edge_gradient") as refused:
        draw_frame(0, 0, 0, 0, "warm")
    assert refused.value.param == "label"
