from __future__ import annotations

import numpy as np
import pytest

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.electrical import (
    FEATURES,
    GRID,
    PATTERNS,
    WaferMap,
    draw_lot,
    draw_product,
    draw_wafer,
    largest_score,
    standard_scores,
    wafer_coordinates,
)

SEED = 7


def stacked(pattern: str, count: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[WaferMap]]:
    """Radius and angle of the failing dies of some wafers, share of dies that fail on each, and the wafers."""
    wafers = [draw_wafer(SEED, 0, 0, number, pattern) for number in range(count)]
    down, across = wafer_coordinates(draw_product(SEED, 0))
    radii = [np.hypot(down, across)[wafer.die_fail] for wafer in wafers]
    angles = [np.arctan2(down, across)[wafer.die_fail] for wafer in wafers]
    shares = np.array([wafer.die_fail.sum() / wafer.mask.sum() for wafer in wafers])
    return np.concatenate(radii), np.concatenate(angles), shares, wafers


def scores_of(wafer: WaferMap, product: int = 0) -> np.ndarray:
    return standard_scores(wafer.values, wafer.mask, draw_product(SEED, product))


def test_equal_seeds_give_equal_wafers() -> None:
    """A wafer is a function of its seed and numbers, whatever was drawn in between."""
    first = draw_wafer(SEED, 1, 2, 3, "donut")
    draw_wafer(SEED, 1, 2, 2, "scratch")
    again = draw_wafer(SEED, 1, 2, 3, "donut")
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.die_fail, again.die_fail)


@pytest.mark.parametrize("numbers", [(8, 1, 2, 3), (7, 0, 2, 3), (7, 1, 1, 3), (7, 1, 2, 4)])
def test_each_number_changes_the_wafer(numbers: tuple[int, int, int, int]) -> None:
    """Seed, product, lot and wafer each give another wafer."""
    assert not np.array_equal(draw_wafer(7, 1, 2, 3).values, draw_wafer(*numbers).values, equal_nan=True)


def test_the_seed_chooses_the_pattern_unless_told() -> None:
    """Without a pattern most wafers have none, and the pattern drawn changes nothing when asked for."""
    drawn = [draw_wafer(SEED, 0, 0, number) for number in range(60)]
    names = [wafer.pattern for wafer in drawn]
    assert 24 < names.count("none") < 48
    assert len(set(names)) >= 6
    np.testing.assert_array_equal(drawn[4].values, draw_wafer(SEED, 0, 0, 4, names[4]).values)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_physical_values_are_plausible(pattern: str) -> None:
    """Currents, thresholds, leakages and resistances of tested dies lie in the ranges of real parts; others are NaN."""
    for product in range(4):
        wafer = draw_wafer(SEED, product, 0, 0, pattern)
        idd, vth, leakage, ron = wafer.values[:, wafer.mask]
        assert 10.0 < idd.min() <= idd.max() < 800.0
        assert 0.1 < vth.min() <= vth.max() < 1.0
        assert 0.1 < leakage.min() <= leakage.max() < 10_000.0
        assert 2.0 < ron.min() <= ron.max() < 150.0
        assert np.isnan(wafer.values[:, ~wafer.mask]).all()
        assert not wafer.die_fail[~wafer.mask].any()


def test_dies_lie_on_the_wafer() -> None:
    """Only dies inside of the ellipse are tested, and nearly all of them are."""
    for product in range(4):
        wafer = draw_wafer(SEED, product, 0, 0)
        inside = np.hypot(*wafer_coordinates(draw_product(SEED, product))) <= 1.0
        assert not (wafer.mask & ~inside).any()
        assert wafer.mask.sum() > 0.95 * inside.sum()


def test_scores_of_good_dies_are_standard_apart_from_drift() -> None:
    """Without the lot's drift, good dies have mean 0 and standard deviation 1 in each parameter, and are correlated."""
    lot = draw_lot(SEED, 0, 0)
    down, across = wafer_coordinates(draw_product(SEED, 0))
    planes = (part[:, None, None] for part in (lot.radial, lot.down, lot.across))
    radial, by_row, by_column = planes
    drift = radial * (down**2 + across**2) + by_row * down + by_column * across
    good = []
    for number in range(12):
        wafer = draw_wafer(SEED, 0, 0, number, "none")
        good.append((scores_of(wafer)[:4] - drift)[:, wafer.mask & ~wafer.die_fail])
    scores = np.concatenate(good, axis=1)
    np.testing.assert_allclose(scores.mean(axis=1), 0.0, atol=0.1)
    np.testing.assert_allclose(scores.std(axis=1), 1.0, atol=0.06)
    correlation = np.corrcoef(scores)
    assert correlation[0, 1] < -0.25
    assert correlation[0, 2] > 0.25


def test_the_lots_drift_is_in_its_wafers() -> None:
    """Regression of good dies on their place gives the lot's radial and linear drift back."""
    lot = draw_lot(SEED, 0, 3)
    down, across = wafer_coordinates(draw_product(SEED, 0))
    places, scores = [], []
    for number in range(20):
        wafer = draw_wafer(SEED, 0, 3, number, "none")
        good = wafer.mask & ~wafer.die_fail
        places.append(np.stack((np.ones(good.sum()), (down**2 + across**2)[good], down[good], across[good])))
        scores.append(scores_of(wafer)[:4, good])
    fitted, *_ = np.linalg.lstsq(np.concatenate(places, axis=1).T, np.concatenate(scores, axis=1).T, rcond=None)
    np.testing.assert_allclose(fitted[1:], np.stack((lot.radial, lot.down, lot.across)), atol=0.15)
    assert np.abs(lot.radial).max() > 0.3


def test_scores_undo_the_physical_values() -> None:
    """A score is the distance from nominal in standard deviations, for leakage of its logarithm; the mask is last."""
    product, wafer = draw_product(SEED, 0), draw_wafer(SEED, 0, 0, 0)
    features = scores_of(wafer)
    assert features.shape == (len(FEATURES), GRID, GRID)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features[-1] > 0, wafer.mask)
    assert not features[:, ~wafer.mask].any()
    back = product.nominal[:, None] + product.sigma[:, None] * features[:4, wafer.mask].astype(np.float64)
    back[2] = 10.0 ** back[2]
    np.testing.assert_allclose(back, wafer.values[:, wafer.mask], rtol=1e-5)


def test_none_has_few_fails_and_near_full_few_good_dies() -> None:
    """The share of failing dies is what the names say, random between the two."""
    none = stacked("none")[2]
    assert none.max() < 0.06
    assert none.mean() > 0.003
    assert stacked("near_full")[2].min() > 0.75
    random = stacked("random")[2]
    assert random.min() > 0.09
    assert random.max() < 0.5


def test_center_lies_in_the_middle() -> None:
    """Most fails are within the inner part of the radius."""
    assert np.mean(stacked("center")[0] < 0.5) > 0.75


def test_donut_leaves_the_middle_good() -> None:
    """Fails lie in a ring; the middle fails about as seldom as the rest."""
    radii, _, _, wafers = stacked("donut")
    assert np.mean((radii > 0.22) & (radii < 0.75)) > 0.8
    middle = np.hypot(*wafer_coordinates(draw_product(SEED, 0))) < 0.18
    assert np.mean([wafer.die_fail[middle].mean() for wafer in wafers]) < 0.15


def test_edge_ring_goes_round_the_edge() -> None:
    """Fails lie at the edge, in every direction."""
    radii, angles, _, _ = stacked("edge_ring")
    assert np.mean(radii > 0.78) > 0.8
    sectors = np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0]
    assert sectors.min() > 0.4 * sectors.max()


def test_edge_loc_is_at_the_edge_in_one_direction() -> None:
    """Most fails are at the edge, and on each wafer those gather in one direction."""
    down, across = wafer_coordinates(draw_product(SEED, 0))
    radii, _, _, wafers = stacked("edge_loc")
    assert np.mean(radii > 0.7) > 0.6
    for wafer in wafers:
        at_edge = wafer.die_fail & (np.hypot(down, across) > 0.7)
        direction = np.exp(1j * np.arctan2(down, across)[at_edge])
        assert at_edge.sum() >= 5
        assert abs(direction.mean()) > 0.5


def test_loc_is_a_blob_off_the_centre() -> None:
    """On each wafer the fails are densest in one place between centre and edge."""
    down, across = wafer_coordinates(draw_product(SEED, 0))
    for wafer in stacked("loc")[3]:
        fails = wafer.die_fail
        near = [np.hypot(down - down[r, c], across - across[r, c]) < 0.3 for r, c in np.argwhere(fails)]
        densest = near[int(np.argmax([(fails & place).sum() for place in near]))] & fails
        assert densest.sum() > 0.4 * fails.sum()
        assert 0.25 < np.hypot(down[densest].mean(), across[densest].mean()) < 0.8


def test_scratch_is_long_and_thin() -> None:
    """The fails of a scratch spread along one axis and hardly across it."""
    widths = []
    for wafer in stacked("scratch")[3]:
        places = np.argwhere(wafer.die_fail).astype(float)
        # Fails by chance lie apart; those of the scratch touch one another.
        gaps = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        touching = places[(gaps < 2.3).sum(axis=1) >= 3]
        axes = np.sqrt(np.linalg.eigvalsh(np.cov(touching.T)))
        assert axes[1] > 1.8 * axes[0]
        assert np.ptp(touching, axis=0).max() >= 5
        widths.append(axes[0])
    assert np.median(widths) < 1.1


def test_fails_overlap_with_good_dies() -> None:
    """Limits on single parameters tell fails from good dies often, not always: some good die looks worse than most."""
    good, bad = [], []
    for lot in range(10):
        wafer = draw_wafer(SEED, 0, lot, 0, "random")
        largest = largest_score(scores_of(wafer))
        good.append(largest[wafer.mask & ~wafer.die_fail])
        bad.append(largest[wafer.die_fail])
    good_dies, bad_dies = np.concatenate(good), np.concatenate(bad)
    assert np.mean(bad_dies > np.median(good_dies)) > 0.9
    assert np.mean(bad_dies < np.quantile(good_dies, 0.98)) > 0.1


def test_one_wafers_pattern_has_one_cause() -> None:
    """Dies that fail by the pattern move in one direction, so their mean scores stand out in the same parameters."""
    for number in range(4):
        wafer = draw_wafer(SEED, 0, 0, number, "near_full")
        mean = scores_of(wafer)[:4, wafer.die_fail].mean(axis=1)
        assert np.abs(mean).max() > 2.5


def test_values_that_no_score_exists_for_are_refused() -> None:
    """A tested die without a number, or with a leakage that has no logarithm, is refused by name."""
    wafer, product = draw_wafer(SEED, 0, 0, 0), draw_product(SEED, 0)
    row, column = np.argwhere(wafer.mask)[0]
    for parameter, value in ((1, np.nan), (0, np.inf), (2, 0.0)):
        values = wafer.values.copy()
        values[parameter, row, column] = value
        with pytest.raises(InvalidRequest, match="mask") as refused:
            standard_scores(values, wafer.mask, product)
        assert refused.value.param == "values"


@pytest.mark.parametrize("numbers", [(-1, 0, 0, 0), (0, -1, 0, 0), (0, 0, -1, 0), (0, 0, 0, -1)])
def test_negative_numbers_are_refused(numbers: tuple[int, int, int, int]) -> None:
    """A seed or number below 0 is the caller's mistake."""
    with pytest.raises(InvalidRequest, match="negative"):
        draw_wafer(*numbers)


def test_an_unknown_pattern_is_refused() -> None:
    """The message lists the patterns there are."""
    with pytest.raises(InvalidRequest, match="near_full") as refused:
        draw_wafer(0, 0, 0, 0, "spiral")
    assert refused.value.param == "pattern"
