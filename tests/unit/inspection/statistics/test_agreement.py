from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.agreement import cohen_kappa, mcnemar


# Fagerland, Lydersen & Laake (2013), BMC Medical Research Methodology 13:91, tables 1 and 2.
@pytest.mark.parametrize(("one", "other", "exact", "mid_p"), [(1, 7, 0.0703, 0.0391), (6, 16, 0.0525, 0.0347)])
def test_mcnemar_on_published_tables(one: int, other: int, exact: float, mid_p: float) -> None:
    """Both p-values of the paper come out to the digit."""
    found = mcnemar(one, other)
    assert (found.exact, found.mid_p) == pytest.approx((exact, mid_p), abs=5e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_exact_mcnemar_is_the_sign_test(one: int, other: int) -> None:
    """It is the two-sided binomial test of the discordant pairs at one half."""
    expected = binomtest(one, one + other, 0.5).pvalue if one + other else 1.0
    assert mcnemar(one, other).exact == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_counts_what_was_seen_half(one: int, other: int) -> None:
    """Mid-p is twice the rarer tails plus half of the observed, and lies under the exact p."""
    found, pairs, fewer = mcnemar(one, other), one + other, min(one, other)
    rarer = sum(math.comb(pairs, k) for k in range(fewer)) / 2**pairs
    seen = math.comb(pairs, fewer) / 2**pairs
    if one != other:
        assert found.mid_p == pytest.approx(2 * (rarer + seen / 2))
    elif pairs:
        assert found.mid_p == pytest.approx(1 - seen / 2)
    assert 0 < found.mid_p <= found.exact <= 1
    assert mcnemar(other, one) == found


def test_judges_that_never_differ_show_no_difference() -> None:
    """Without a discordant pair both p-values are 1."""
    found = mcnemar(0, 0)
    assert (found.discordant, found.exact, found.mid_p) == (0, 1.0, 1.0)


def test_kappa_of_the_published_table() -> None:
    """Fleiss, Cohen & Everitt (1969): kappa .429 with variance .002885 on 200 subjects."""
    table = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
    found = cohen_kappa(table)
    assert found.interval is not None
    assert (found.observed, found.expected, found.pairs) == (pytest.approx(0.70), pytest.approx(0.475), 200)
    assert found.estimate == pytest.approx(0.429, abs=5e-4)
    half = (found.interval.high - found.interval.low) / 2
    assert (half / 1.959964) ** 2 == pytest.approx(0.002885, abs=2e-6)


TABLES = arrays(np.int64, (3, 3), elements=st.integers(0, 40)).filter(
    lambda t: t.sum() > 0 and np.count_nonzero(t.sum(axis=0) + t.sum(axis=1)) > 1
)


@given(TABLES, st.permutations(range(3)))
def test_kappa_knows_no_order_of_classes_or_reviewers(table: np.ndarray, order: list[int]) -> None:
    """Renaming classes or exchanging the reviewers changes nothing."""
    found, renamed, exchanged = (cohen_kappa(t) for t in (table, table[np.ix_(order, order)], table.T))
    assert found.estimate is not None
    assert renamed.estimate == pytest.approx(found.estimate, abs=1e-12)
    assert exchanged.estimate == pytest.approx(found.estimate, abs=1e-12)
    assert found.interval is not None
    assert -1.0 <= found.interval.low <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.interval.high <= 1.0


@given(TABLES)
def test_the_interval_is_that_of_the_delta_method(table: np.ndarray) -> None:
    """The variance equals the multinomial one propagated through numerical derivatives."""
    size = table.sum()
    shares = (table / size).ravel()

    def kappa(cells: np.ndarray) -> float:
        grid = cells.reshape(3, 3)
        expected = grid.sum(axis=1) @ grid.sum(axis=0)
        return float((np.trace(grid) - expected) / (1 - expected))

    # Cells move against the rest of the table: only such moves are real, and the derivative needs no constraint then.
    step = 1e-6
    slopes = np.array([(kappa(shares + step * e) - kappa(shares - step * e)) / (2 * step) for e in np.eye(9)])
    variance = (shares @ slopes**2 - (shares @ slopes) ** 2) / size
    found = cohen_kappa(table)
    assert found.estimate is not None
    assert found.interval is not None
    half = 1.959964 * math.sqrt(max(variance, 0.0))
    assert found.interval.low == pytest.approx(max(-1.0, found.estimate - half), abs=1e-4)
    assert found.interval.high == pytest.approx(min(1.0, found.estimate + half), abs=1e-4)


def test_one_class_throughout_says_nothing() -> None:
    """Where chance alone agrees always, kappa is not 1 but unknown."""
    found = cohen_kappa([[12, 0], [0, 0]])
    assert (found.estimate, found.interval, found.observed, found.expected) == (None, None, 1.0, 1.0)


def test_two_classes_never_shared_are_known() -> None:
    """One reviewer always says A and the other always B: no agreement, none expected, kappa 0."""
    assert cohen_kappa([[0, 9], [0, 0]]).estimate == 0.0


@pytest.mark.parametrize("table", [[[1, 2, 3], [4, 5, 6]], [[0, 0], [0, 0]], [[1, -1], [0, 1]], [[1.5, 0], [0, 1]]])
def test_no_table_of_pairs_is_refused(table: list[list[float]]) -> None:
    """The table must be square, whole and not empty."""
    with pytest.raises(InvalidRequest) as refused:
        cohen_kappa(table)
    assert refused.value.param == "table"
