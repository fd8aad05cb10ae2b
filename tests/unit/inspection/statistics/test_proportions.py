from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2, chi2_contingency, hypergeom

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.proportions import compare, poisson_interval, proportion, wilson

SHARES = st.integers(1, 5000).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size)))


@given(SHARES, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(share: tuple[int, int], confidence: float) -> None:
    """The interval is that of an independent implementation."""
    expected = binomtest(*share).proportion_ci(confidence, method="wilson")
    interval = proportion(*share, confidence).interval
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(SHARES)
def test_the_interval_holds_the_estimate_and_lies_in_the_unit_interval(share: tuple[int, int]) -> None:
    """Rounding pushes no end past the estimate or out of [0, 1]."""
    found = proportion(*share)
    assert 0.0 <= found.interval.low <= found.estimate <= found.interval.high <= 1.0


@given(SHARES)
def test_good_and_bad_mirror_each_other(share: tuple[int, int]) -> None:
    """Counting the other kind gives the same interval from the other end."""
    hits, size = share
    one, other = proportion(hits, size).interval, proportion(size - hits, size).interval
    assert (one.low, one.high) == pytest.approx((1.0 - other.high, 1.0 - other.low), abs=1e-12)


def test_an_effective_size_may_have_a_fraction() -> None:
    """Between two whole sizes the interval lies between theirs."""
    wide, middle, narrow = (wilson(0.3, size) for size in (10, 10.5, 11))
    assert wide.low < middle.low < narrow.low < narrow.high < middle.high < wide.high


# Newcombe (1998), Statistics in Medicine 17, 873-890, Table II, contrasts (a), (b), (c), (d), (g) and (h), method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """The published examples come out to the digit."""
    interval = compare(first, second).interval
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(20, 500), st.integers(20, 500), st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_large_samples_get_the_z_test(size_1: int, size_2: int, share_1: float, share_2: float) -> None:
    """Its square is Pearson's chi-square of the table."""
    hits_1, hits_2 = round(size_1 * share_1), round(size_2 * share_2)
    found = compare((hits_1, size_1), (hits_2, size_2))
    table = [[hits_1, size_1 - hits_1], [hits_2, size_2 - hits_2]]
    assert found.method == "z"
    assert found.p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue, rel=1e-9)


@given(st.integers(0, 6), st.integers(0, 9))
def test_small_samples_get_fishers_test(hits_1: int, hits_2: int) -> None:
    """Its p is the sum over all tables of these margins that are no likelier, counted out here."""
    found = compare((hits_1, 6), (hits_2, 9))
    law = hypergeom(15, hits_1 + hits_2, 6)
    seen = law.pmf(hits_1)
    brute = sum(law.pmf(hits) for hits in range(7) if law.pmf(hits) <= seen * (1 + 1e-7))
    assert found.method == "fisher"
    assert found.p_value == pytest.approx(brute, rel=1e-9)


def test_fishers_tea() -> None:
    """The lady tasting tea: three of four right on each side gives 34 / 70."""
    assert compare((3, 4), (1, 4)).p_value == pytest.approx(34 / 70)


@given(SHARES, SHARES)
def test_a_comparison_turned_round_changes_its_sign_only(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Neither sample is privileged, and the interval holds the difference."""
    one, other = compare(first, second), compare(second, first)
    assert one.difference == -other.difference
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low))
    assert one.p_value == pytest.approx(other.p_value)
    assert one.interval.low - 1e-12 <= one.difference <= one.interval.high + 1e-12


@given(st.integers(0, 2000), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_poisson_interval_is_garwoods(events: int, confidence: float) -> None:
    """The limits are half chi-square quantiles of 2 x and 2 x + 2 degrees of freedom."""
    interval, tail = poisson_interval(events, confidence), (1 - confidence) / 2
    low = chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    assert interval.low == pytest.approx(low, rel=1e-9)
    assert interval.high == pytest.approx(chi2.ppf(1 - tail, 2 * events + 2) / 2, rel=1e-9)


def test_nothing_seen_in_a_poisson_count() -> None:
    """The upper limit of none at one side's 2.5 % is -ln 0.025."""
    assert poisson_interval(0).high == pytest.approx(-math.log(0.025))


@pytest.mark.parametrize(
    ("hits", "size", "param"), [(1, 0, "trials"), (5, 4, "successes"), (-1, 4, "successes"), (True, 4, "successes")]
)
def test_impossible_counts_are_refused(hits: int, size: int, param: str) -> None:
    """The error names the argument at fault."""
    with pytest.raises(InvalidRequest) as refused:
        proportion(hits, size)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("share", "size", "confidence"), [(1.1, 5, 0.95), (0.5, 0, 0.95), (0.5, 5, 1.0), (math.nan, 5, 0.9)]
)
def test_impossible_values_are_refused(share: float, size: float, confidence: float) -> None:
    """A share outside [0, 1], no trial and full confidence have no interval."""
    with pytest.raises(InvalidRequest):
        wilson(share, size, confidence)
