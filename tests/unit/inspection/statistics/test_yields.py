from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.proportions import proportion
from argosy.inspection.statistics.yields import (
    WaferCount,
    clustering_parameter,
    defect_density,
    lot_yields,
    murphy_yield,
    negative_binomial_yield,
    overall_yield,
    poisson_yield,
    wafer_yields,
)

WAFERS = st.lists(
    st.integers(0, 600).flatmap(
        lambda size: st.builds(
            WaferCount, st.sampled_from(["L1", "L2", "L3"]), st.just("w"), st.just(size), st.integers(0, size)
        )
    ),
    max_size=12,
)


def test_wafers_one_by_one() -> None:
    """Each wafer has its own share with Wilson's interval."""
    found = wafer_yields([WaferCount("L1", "01", 200, 190), WaferCount("L1", "02", 100, 80)])
    assert [(y.name, y.estimate, y.effective) for y in found] == [("01", 0.95, 200), ("02", 0.8, 100)]
    assert found[1].interval == proportion(80, 100).interval


def test_a_lot_pools_its_dies() -> None:
    """The lot's yield is good over inspected, not the mean of its wafers; lots keep the order they came in."""
    found = lot_yields([WaferCount("B", "01", 300, 270), WaferCount("A", "01", 10, 10), WaferCount("B", "02", 100, 50)])
    assert [(y.name, y.inspected, y.good, y.wafers) for y in found] == [("B", 400, 320, 2), ("A", 10, 10, 1)]
    assert found[0].estimate == 0.8


def test_wafers_that_differ_widen_the_lots_interval() -> None:
    """The design effect by hand: wafers of 60 and 100 good of 100 tell as little as 4 independent dies."""
    (found,) = lot_yields([WaferCount("L", "01", 100, 60), WaferCount("L", "02", 100, 100)])
    # Variance of the ratio 2 / 1 * (20^2 + 20^2) / 200^2 = 0.04, binomial 0.8 * 0.2 / 200 = 0.0008.
    assert found.effective == pytest.approx(200 / 50)


def test_wafers_that_agree_count_in_full() -> None:
    """Less variation than the binomial one is luck and does not narrow the interval."""
    (found,) = lot_yields([WaferCount("L", str(i), 100, 80) for i in range(5)])
    assert found.effective == 500
    assert found.interval == proportion(400, 500).interval


def test_the_lots_interval_covers_the_process() -> None:
    """Of 400 lots of unlike wafers 90 % and more hold the true yield; taking dies as independent, far fewer do."""
    random = np.random.default_rng(5)
    held = naive = 0
    for _ in range(400):
        good = random.binomial(400, random.beta(45, 5, 25))
        (found,) = lot_yields([WaferCount("L", str(i), 400, int(n)) for i, n in enumerate(good)])
        assert found.interval is not None
        held += found.interval.low <= 0.9 <= found.interval.high
        plain = proportion(int(good.sum()), 10000).interval
        naive += plain.low <= 0.9 <= plain.high
    assert held >= 360
    assert naive <= 240


@settings(max_examples=50)
@given(WAFERS)
def test_rolling_up_loses_no_die(wafers: list[WaferCount]) -> None:
    """Wafers, lots and the whole have the same sums, and each interval holds its estimate."""
    whole, lots = overall_yield(wafers), lot_yields(wafers)
    assert (whole.inspected, whole.good, whole.wafers) == (
        sum(w.inspected for w in wafers),
        sum(w.good for w in wafers),
        len(wafers),
    )
    assert (sum(y.inspected for y in lots), sum(y.good for y in lots)) == (whole.inspected, whole.good)
    for found in (whole, *lots, *wafer_yields(wafers)):
        assert (found.estimate is None) == (found.inspected == 0)
        if found.estimate is not None:
            assert found.interval is not None
            assert 0.0 <= found.interval.low <= found.estimate <= found.interval.high <= 1.0
            assert 0.0 < found.effective <= found.inspected


def test_all_lots_vary_as_lots() -> None:
    """Wafers that agree within lots that differ count little: the lot is the unit."""
    wafers = [WaferCount(lot, str(i), 100, good) for lot, good in (("A", 60), ("B", 100)) for i in range(10)]
    whole = overall_yield(wafers)
    assert whole.effective == pytest.approx(
        lot_yields(WaferCount("L", w.lot, 1000, w.good * 10) for w in wafers[::10])[0].effective
    )
    assert whole.effective < 10


def test_nothing_inspected_has_no_yield() -> None:
    """A wafer without a verdict is neither good nor bad."""
    (found,) = wafer_yields([WaferCount("L", "01", 0, 0)])
    assert (found.estimate, found.interval, found.effective) == (None, None, 0.0)


@pytest.mark.parametrize(("inspected", "good"), [(5, 6), (0, 1), (5, -1)])
def test_impossible_wafers_are_refused(inspected: int, good: int) -> None:
    """Good dies are some of the inspected ones."""
    with pytest.raises(InvalidRequest) as refused:
        WaferCount("L", "01", inspected, good)
    assert refused.value.param == "good"


def test_density_is_defects_over_area() -> None:
    """Ten defects on 50 cm2: 0.2 per cm2, with Garwood's 4.795 and 18.39 over the area."""
    found = defect_density(10, 50.0)
    assert found.estimate == pytest.approx(0.2)
    assert (found.interval.low, found.interval.high) == pytest.approx((4.795 / 50, 18.39 / 50), abs=1e-4)


@pytest.mark.parametrize(("defects", "area"), [(-1, 5.0), (1, 0.0), (1, math.nan)])
def test_density_needs_a_count_and_an_area(defects: int, area: float) -> None:
    """No area was inspected, no density."""
    with pytest.raises(InvalidRequest):
        defect_density(defects, area)


def test_the_models_at_one_defect_per_die() -> None:
    """1 / e, (1 - 1 / e)^2 and, for a = 2, (2 / 3)^2."""
    assert poisson_yield(0.5, 2.0) == pytest.approx(1 / math.e)
    assert murphy_yield(0.5, 2.0) == pytest.approx((1 - 1 / math.e) ** 2)
    assert negative_binomial_yield(0.5, 2.0, 2.0) == pytest.approx(4 / 9)


@pytest.mark.parametrize("defects", [0.01, 0.3, 1.0, 4.0])
def test_murphy_averages_poisson_over_a_triangle(defects: float) -> None:
    """Murphy's is the mean of exp(-x) for x in a triangle from 0 to twice its mean."""
    half = quad(lambda x: math.exp(-x) * x / defects**2, 0, defects)[0]
    other = quad(lambda x: math.exp(-x) * (2 * defects - x) / defects**2, defects, 2 * defects)[0]
    assert murphy_yield(defects, 1.0) == pytest.approx(half + other, rel=1e-9)


@pytest.mark.parametrize(("defects", "alpha"), [(0.3, 0.7), (1.0, 2.0), (3.0, 5.0)])
def test_the_negative_binomial_averages_poisson_over_a_gamma(defects: float, alpha: float) -> None:
    """It is the mean of exp(-x) for x in a gamma distribution of shape a."""
    law = gamma(alpha, scale=defects / alpha)
    expected = quad(lambda x: math.exp(-x) * law.pdf(x), 0, np.inf)[0]
    assert negative_binomial_yield(defects, 1.0, alpha) == pytest.approx(expected, rel=1e-6)


@given(st.floats(0, 50), st.floats(0, 4), st.floats(0.05, 1e6))
def test_the_models_are_ordered(density: float, area: float, alpha: float) -> None:
    """Clustering always helps: Poisson is lowest, and no model leaves [0, 1]."""
    low = poisson_yield(density, area)
    assert 0.0 <= low <= murphy_yield(density, area) * (1 + 1e-12) <= 1.0 + 1e-12
    assert low <= negative_binomial_yield(density, area, alpha) * (1 + 1e-9) <= 1.0 + 1e-9


def test_without_defects_every_die_is_good() -> None:
    """The limits at D0 A = 0 are exact."""
    assert (poisson_yield(0, 1), murphy_yield(0, 1), negative_binomial_yield(0, 1, 2)) == (1.0, 1.0, 1.0)


def test_weak_clustering_is_poisson() -> None:
    """For a towards infinity the negative binomial model becomes the Poisson one."""
    assert negative_binomial_yield(2.0, 1.0, 1e9) == pytest.approx(math.exp(-2), rel=1e-6)


def test_clustering_is_found_again() -> None:
    """Counts drawn with a = 2 give about 2, and the yield that was seen."""
    found = np.random.default_rng(2).negative_binomial(2.0, 2.0 / (2.0 + 1.5), 40000)
    alpha = clustering_parameter(found)
    assert alpha == pytest.approx(2.0, rel=0.08)
    assert alpha is not None
    assert negative_binomial_yield(1.5, 1.0, alpha) == pytest.approx((found == 0).mean(), abs=0.01)


def test_even_counts_show_no_clustering() -> None:
    """Where counts vary less than Poisson ones there is no a."""
    assert clustering_parameter([1, 1, 1, 2]) is None


def test_clustering_needs_dies() -> None:
    """One die varies by nothing."""
    with pytest.raises(InvalidRequest):
        clustering_parameter([3])
