import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import middle, neighbour_differences, neighbour_ratios, percentile, spread

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def test_percentile_lies_between_neighbours() -> None:
    """A percentile that falls between two values is interpolated."""
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert percentile([10.0, 20.0], 0.99) == pytest.approx(19.9)


@given(numbers, st.floats(0, 1))
def test_percentile_stays_within_the_values(values: list[float], share: float) -> None:
    """No percentile lies outside the measured range."""
    slack = 1e-6
    assert min(values) - slack <= percentile(values, share) <= max(values) + slack


@given(numbers)
def test_percentile_ends_are_the_extremes(values: list[float]) -> None:
    """The lowest and highest percentile are the lowest and highest value."""
    assert percentile(values, 0) == min(values)
    assert percentile(values, 1) == max(values)


def test_nothing_measured_is_not_a_number() -> None:
    """Without values there is no percentile and no middle."""
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(middle([]))
    assert spread([]) == "nothing"


@pytest.mark.parametrize("share", [-0.1, 1.1, 99])
def test_percentile_refuses_percent(share: float) -> None:
    """Shares run from 0 to 1, so that 99 is not taken for 0.99."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], share)


def test_neighbour_ratios_cancel_a_steady_drift() -> None:
    """A machine that slows down steadily leaves the ratios as they are."""
    speed = [1.0, 0.9, 0.8, 0.7, 0.6]
    baselines = [100 * speed[0], 100 * speed[2], 100 * speed[4]]
    subjects = [60 * speed[1], 60 * speed[3]]
    assert neighbour_ratios(baselines, subjects) == pytest.approx([0.6, 0.6])


def test_neighbour_differences_use_both_neighbours() -> None:
    """A difference is taken from the mean of the baselines around it."""
    assert neighbour_differences([1.0, 3.0, 5.0], [4.0, 4.0]) == [2.0, 0.0]


@pytest.mark.parametrize("compare", [neighbour_ratios, neighbour_differences])
def test_neighbours_need_one_baseline_more(compare) -> None:
    """Lengths that do not fit the order baseline, subject, baseline are refused."""
    with pytest.raises(ValueError, match="need 3 baselines, got 2"):
        compare([1.0, 2.0], [1.0, 2.0])
