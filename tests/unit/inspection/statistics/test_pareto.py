from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.pareto import ParetoRow, pareto

DEFECTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1e6)), max_size=60)


def test_by_number() -> None:
    """Classes fall by count, equal counts go by name, and the last row reaches 100."""
    rows = pareto(["crack", "stain", "scratch", "scratch", "stain", "scratch", "scratch", "bridge"])
    assert rows == (
        ParetoRow("scratch", 4, 4.0, 50.0, 50.0),
        ParetoRow("stain", 2, 2.0, 25.0, 75.0),
        ParetoRow("bridge", 1, 1.0, 12.5, 87.5),
        ParetoRow("crack", 1, 1.0, 12.5, 100.0),
    )


def test_by_area() -> None:
    """Weights rank instead of counts, and counts are still told."""
    rows = pareto(["particle", "particle", "stain"], [2.0, 3.0, 15.0])
    assert rows == (ParetoRow("stain", 1, 15.0, 75.0, 75.0), ParetoRow("particle", 2, 5.0, 25.0, 100.0))


@given(DEFECTS, st.randoms(use_true_random=False))
def test_the_order_of_defects_does_not_matter(defects: list[tuple[str, float]], shuffler: random.Random) -> None:
    """The same defects in another order draw the same chart."""
    shuffled = defects.copy()
    shuffler.shuffle(shuffled)
    charts = [pareto([name for name, _ in d], [weight for _, weight in d]) for d in (defects, shuffled)]
    assert charts[0] == charts[1]


@given(DEFECTS)
def test_percentages_add_up(defects: list[tuple[str, float]]) -> None:
    """Counts are those of the classes; the cumulative line never falls and ends at exactly 100."""
    rows = pareto([name for name, _ in defects], [weight for _, weight in defects])
    assert {row.name: row.count for row in rows} == Counter(name for name, _ in defects)
    line = [row.cumulative_percent for row in rows]
    assert line == sorted(line)
    assert [row.value for row in rows] == sorted((row.value for row in rows), reverse=True)
    if any(weight > 0 for _, weight in defects):
        assert line[-1] == 100.0
        assert sum(row.percent for row in rows) == pytest.approx(100.0)


def test_no_weight_at_all() -> None:
    """Classes whose weights are all 0 are listed with 0 percent."""
    assert pareto(["a", "b"], [0, 0]) == (ParetoRow("a", 1, 0.0, 0.0, 0.0), ParetoRow("b", 1, 0.0, 0.0, 0.0))


def test_no_defects() -> None:
    """Nothing to rank is no row."""
    assert pareto([]) == ()


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, float("inf")]])
def test_weights_belong_to_defects(weights: list[float]) -> None:
    """One for each, finite and not negative."""
    with pytest.raises(InvalidRequest) as refused:
        pareto(["a", "b"], weights)
    assert refused.value.param == "weights"
