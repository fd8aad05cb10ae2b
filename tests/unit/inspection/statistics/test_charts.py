from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.charts import (
    AttributeLimits,
    ChartKind,
    Exclusion,
    freeze_attribute_limits,
    freeze_ewma_limits,
    judge_attributes,
    judge_ewma,
)

# Montgomery, "Introduction to Statistical Quality Control", p chart of orange juice cans: 30 samples of 50.
CANS = [
    *(12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22),
    *(8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6),
]
# Same book, u chart of shipping errors: 20 weeks of 50 shipments.
ERRORS = [2, 3, 8, 1, 1, 4, 1, 4, 5, 1, 8, 2, 4, 3, 4, 1, 8, 3, 7, 4]
# Same book, the 30 observations of the CUSUM and EWMA chapter; the last ten are shifted by one sigma.
SHIFTED = [
    *(9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34),
    *(9.03, 11.47, 10.51, 9.40, 10.08, 9.37, 10.62, 10.31, 8.52, 10.84),
    *(10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52),
]
SERIES = st.lists(st.tuples(st.integers(0, 40), st.integers(40, 400)), min_size=20, max_size=40)


def test_the_p_chart_of_the_textbook() -> None:
    """Centre .2313, limits .0524 and .4102; samples 15 and 23 lie outside."""
    limits = freeze_attribute_limits(ChartKind.P, CANS, [50] * 30, version=1)
    points = judge_attributes(limits, CANS, [50] * 30)
    assert limits.centre == pytest.approx(0.2313, abs=5e-5)
    assert (points.lower[0], points.upper[0]) == pytest.approx((0.0524, 0.4102), abs=5e-5)
    assert np.flatnonzero(points.outside).tolist() == [14, 22]


def test_the_p_chart_without_the_explained_samples() -> None:
    """Left out with reasons, they give .2150 with limits .0407 and .3893, and the value says what was left out."""
    reasons = {22: "inexperienced operator", 14: "new batch of cardboard"}
    limits = freeze_attribute_limits(ChartKind.P, CANS, [50] * 30, version=2, excluded=reasons)
    points = judge_attributes(limits, CANS, [50] * 30)
    assert limits == AttributeLimits(
        kind=ChartKind.P,
        version=2,
        centre=pytest.approx(0.2150, abs=5e-5),
        sigma_z=1.0,
        width=3.0,
        subgroups=28,
        excluded=(Exclusion(14, "new batch of cardboard"), Exclusion(22, "inexperienced operator")),
    )
    assert (points.lower[0], points.upper[0]) == pytest.approx((0.0407, 0.3893), abs=5e-5)


def test_the_u_chart_of_the_textbook() -> None:
    """Centre .0740, upper limit .1894, lower limit clamped to 0, nothing outside."""
    limits = freeze_attribute_limits(ChartKind.U, ERRORS, [50] * 20, version=1)
    points = judge_attributes(limits, ERRORS, [50] * 20)
    assert limits.centre == pytest.approx(0.0740, abs=5e-5)
    assert (points.lower[0], points.upper[0]) == (0.0, pytest.approx(0.1894, abs=5e-5))
    assert not points.outside.any()


def test_units_of_a_u_chart_may_be_areas() -> None:
    """A size with a fraction, such as cm2, is divided by as it is."""
    limits = freeze_attribute_limits(ChartKind.U, [3, 5] * 10, [2.5, 2.5] * 10, version=1)
    assert limits.centre == pytest.approx(1.6)
    assert judge_attributes(limits, [2], [1.25]).value[0] == pytest.approx(1.6)


def test_sizes_of_a_p_chart_are_dies() -> None:
    """Half a die cannot be inspected."""
    with pytest.raises(InvalidRequest) as refused:
        freeze_attribute_limits(ChartKind.P, [1] * 20, [2.5] * 20, version=1)
    assert refused.value.param == "sizes"


def test_a_point_on_a_limit_is_inside() -> None:
    """27 and 9 of 36 around a half lie exactly on 3 sigma; so do 3 and -3 on a chart of single values."""
    limits = freeze_attribute_limits(ChartKind.P, [18] * 20, [36] * 20, version=1)
    assert judge_attributes(limits, [27, 9, 28, 8], [36] * 4).outside.tolist() == [False, False, True, True]
    single = replace(freeze_ewma_limits(SHIFTED, version=1, smoothing=1.0, width=3.0), centre=0.0, sigma=1.0)
    assert judge_ewma(single, [3.0, -3.0, 3.1, -3.1])[0].outside.tolist() == [False, False, True, True]


def test_limits_follow_the_size_of_each_subgroup() -> None:
    """Four times the dies halve the width."""
    limits = freeze_attribute_limits(ChartKind.P, CANS, [50] * 30, version=1)
    points = judge_attributes(limits, [10, 40], [50, 200])
    half = points.upper - limits.centre
    assert half[0] == pytest.approx(2 * half[1])
    assert points.z[1] == pytest.approx(2 * points.z[0])


@pytest.mark.parametrize(("kind", "share"), [(ChartKind.LANEY_P, True), (ChartKind.LANEY_U, False)])
def test_laneys_factor_by_the_definition(kind: ChartKind, share: bool) -> None:
    """sigma_z is the mean moving range of the standardised points over 1.128, worked out point by point."""
    events, sizes = CANS, [50 + 7 * (i % 5) for i in range(30)]
    centre = sum(events) / sum(sizes)
    variance = centre * (1 - centre) if share else centre
    z = [(e / n - centre) / math.sqrt(variance / n) for e, n in zip(events, sizes, strict=True)]
    expected = sum(abs(z[i] - z[i - 1]) for i in range(1, 30)) / 29 / 1.128
    limits = freeze_attribute_limits(kind, events, sizes, version=1)
    points = judge_attributes(limits, events, sizes)
    assert limits.sigma_z == pytest.approx(expected, rel=5e-4)
    assert points.upper[3] - centre == pytest.approx(3 * expected * math.sqrt(variance / sizes[3]), rel=5e-4)
    assert points.z[3] == pytest.approx(z[3] / expected, rel=5e-4)


def test_laney_stays_quiet_where_the_p_chart_cries_wolf() -> None:
    """Rates that vary from wafer to wafer fill a p chart of large subgroups with signals, and a p' chart with few."""
    random = np.random.default_rng(3)
    sizes = np.full(400, 2000)
    events = random.binomial(sizes, random.beta(50, 950, 400))
    quiet, loud = (
        judge_attributes(freeze_attribute_limits(kind, events, sizes, version=1), events, sizes).outside.mean()
        for kind in (ChartKind.LANEY_P, ChartKind.P)
    )
    assert quiet <= 0.01
    assert loud >= 0.05


def test_laney_leaves_plain_binomial_data_alone() -> None:
    """Without more spread than the binomial one the factor is about 1."""
    random = np.random.default_rng(4)
    events = random.binomial(300, 0.05, 2000)
    limits = freeze_attribute_limits(ChartKind.LANEY_P, events, np.full(2000, 300), version=1)
    assert limits.sigma_z == pytest.approx(1.0, abs=0.05)


@given(SERIES, st.sampled_from(list(ChartKind)))
def test_limits_are_clamped_and_hold_the_centre(series: list[tuple[int, int]], kind: ChartKind) -> None:
    """0 <= lower <= centre <= upper, and upper <= 1 for shares; z and outside agree with value and limits."""
    events, sizes = map(list, zip(*series, strict=True))
    try:
        limits = freeze_attribute_limits(kind, events, sizes, version=1)
    except InvalidRequest:
        rates = {e / n for e, n in series}
        assert len(rates) == 1
        return
    points = judge_attributes(limits, events, sizes)
    assert (points.lower >= 0).all()
    assert (points.lower <= limits.centre).all()
    assert (points.upper >= limits.centre).all()
    if kind in {ChartKind.P, ChartKind.LANEY_P}:
        assert (points.upper <= 1).all()
    assert (points.outside == ((points.value < points.lower) | (points.value > points.upper))).all()
    assert (np.sign(points.z) == np.sign(points.value - limits.centre)).all()


def test_frozen_limits_do_not_follow_later_points() -> None:
    """A lot that is far worse is judged by the old centre, however many of them come."""
    limits = freeze_attribute_limits(ChartKind.P, [5] * 19 + [6], [100] * 20, version=1)
    assert judge_attributes(limits, [30] * 50, [100] * 50).outside.all()


def test_too_few_subgroups_make_no_limits() -> None:
    """Exclusions count against the 20 that are needed."""
    with pytest.raises(InvalidRequest, match="19 remain"):
        freeze_attribute_limits(ChartKind.P, CANS[:20], [50] * 20, version=1, excluded={0: "power cut"})


@pytest.mark.parametrize("excluded", [{3: " "}, {30: "not there"}, {-1: "not there"}])
def test_exclusions_name_a_subgroup_and_a_reason(excluded: dict[int, str]) -> None:
    """Nothing leaves phase I silently."""
    with pytest.raises(InvalidRequest) as refused:
        freeze_attribute_limits(ChartKind.P, CANS, [50] * 30, version=1, excluded=excluded)
    assert refused.value.param == "excluded"


@pytest.mark.parametrize("events", [[0] * 20, [50] * 20])
def test_no_spread_makes_no_limits(events: list[int]) -> None:
    """Subgroups without a single defective die, or good one, would put both limits on the centre."""
    with pytest.raises(InvalidRequest, match="larger subgroups"):
        freeze_attribute_limits(ChartKind.P, events, [50] * 20, version=1)


@pytest.mark.parametrize(("events", "sizes"), [([5] * 20, [50] * 20), ([1, 3, 7] * 7, [10, 30, 70] * 7)])
def test_equal_points_give_laney_nothing_to_measure(events: list[int], sizes: list[int]) -> None:
    """A factor of 0, or one of rounding errors, would call every later point a signal."""
    with pytest.raises(InvalidRequest, match="never changes"):
        freeze_attribute_limits(ChartKind.LANEY_P, events, sizes, version=1)


def test_values_that_never_change_give_no_ewma() -> None:
    """0.3 and 0.1 + 0.2 are one value."""
    with pytest.raises(InvalidRequest, match="never changes"):
        freeze_ewma_limits([0.3, 0.1 + 0.2] * 10, version=1)


def test_too_few_values_make_no_ewma() -> None:
    """The 20 are needed here as well, and the error names the argument."""
    with pytest.raises(InvalidRequest, match="19 remain") as refused:
        freeze_ewma_limits(SHIFTED[:19], version=1)
    assert refused.value.param == "values"


@pytest.mark.parametrize(
    ("events", "sizes", "param"), [([1], [0], "sizes"), ([3], [2], "events"), ([1, 1], [5], "sizes")]
)
def test_impossible_subgroups_are_refused(events: list[int], sizes: list[int], param: str) -> None:
    """Nothing inspected, more defective than inspected, and unequal lengths are errors."""
    limits = freeze_attribute_limits(ChartKind.P, CANS, [50] * 30, version=1)
    with pytest.raises(InvalidRequest) as refused:
        judge_attributes(limits, events, sizes)
    assert refused.value.param == param


def test_the_ewma_of_the_textbook() -> None:
    """Lambda .1, K 2.7, mean 10, sigma 1: limits from 9.73 to 10.27 at first, the last two points outside."""
    frozen = freeze_ewma_limits(SHIFTED[:20], version=1)
    points, _ = judge_ewma(replace(frozen, centre=10.0, sigma=1.0, smoothing=0.1, width=2.7), SHIFTED)
    assert points.value[[0, 1, 2, -2, -1]].tolist() == pytest.approx(
        [9.945, 9.7495, 9.70355, 10.6468, 10.6341], abs=5e-5
    )
    assert (points.lower[0], points.upper[0]) == pytest.approx((9.73, 10.27), abs=5e-3)
    assert (points.lower[1], points.upper[1]) == pytest.approx((9.64, 10.36), abs=5e-3)
    assert (points.lower[-1], points.upper[-1]) == pytest.approx((9.38, 10.62), abs=5e-3)
    assert np.flatnonzero(points.outside).tolist() == [28, 29]


def test_an_ewma_of_weight_one_is_a_chart_of_single_values() -> None:
    """The average is the value, and the limits are those of Shewhart's chart at once."""
    limits = freeze_ewma_limits(SHIFTED[:20], version=3, smoothing=1.0, width=3.0)
    points, _ = judge_ewma(limits, SHIFTED)
    ranges = np.abs(np.diff(SHIFTED[:20]))
    assert points.value.tolist() == pytest.approx(SHIFTED)
    assert limits.sigma == pytest.approx(ranges.mean() / 1.128, rel=5e-4)
    assert points.upper[0] == pytest.approx(np.mean(SHIFTED[:20]) + 3 * limits.sigma)
    assert points.upper[0] == points.upper[-1]


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=40), st.integers(0, 40))
def test_an_ewma_continues_where_it_stopped(values: list[float], cut: int) -> None:
    """Two calls with the state between them draw what one call draws."""
    limits = freeze_ewma_limits(SHIFTED[:20], version=1)
    whole, end = judge_ewma(limits, values)
    first, between = judge_ewma(limits, values[:cut])
    second, last = judge_ewma(limits, values[cut:], between)
    assert np.concatenate((first.value, second.value)).tolist() == whole.value.tolist()
    assert np.concatenate((first.upper, second.upper)).tolist() == whole.upper.tolist()
    assert last == end


def test_an_ewma_sees_what_single_values_do_not() -> None:
    """A lasting shift of one sigma crosses the EWMA's limits within 20 points, with no single value beyond 3 sigma."""
    random = np.random.default_rng(0)
    limits = freeze_ewma_limits(random.normal(0, 1, 200), version=1)
    later = np.clip(random.normal(1.0, 1.0, 20), -2.5, 2.5)
    points, _ = judge_ewma(limits, later)
    assert points.outside.any()
    assert (np.abs(later - limits.centre) < 3 * limits.sigma).all()


def test_the_default_width_gives_one_false_alarm_in_370() -> None:
    """The mean run length in control, by the Markov chain of Brook & Evans (1972), is that of 3 sigma."""
    limits = freeze_ewma_limits(SHIFTED[:20], version=1)
    edge = limits.width * math.sqrt(limits.smoothing / (2 - limits.smoothing))
    cells = 201
    borders = np.linspace(-edge, edge, cells + 1)
    middles = (borders[1:] + borders[:-1]) / 2
    needed = (borders[None, :] - (1 - limits.smoothing) * middles[:, None]) / limits.smoothing
    cumulative = np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))(needed)
    lengths = np.linalg.solve(np.eye(cells) - np.diff(cumulative, axis=1), np.ones(cells))
    assert lengths[cells // 2] == pytest.approx(370, rel=0.02)


@pytest.mark.parametrize("smoothing", [0.0, 1.5, math.nan])
def test_a_smoothing_is_a_weight(smoothing: float) -> None:
    """Lambda lies above 0 and is at most 1."""
    with pytest.raises(InvalidRequest) as refused:
        freeze_ewma_limits(SHIFTED, version=1, smoothing=smoothing)
    assert refused.value.param == "smoothing"
