from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.run_rules import NELSON, WESTERN_ELECTRIC, Rule, Signal, run_rules

POINTS = st.lists(
    st.one_of(st.floats(-4, 4), st.sampled_from([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])), min_size=0, max_size=40
)


def some_beyond(window: list[float], needed: int, sigmas: float) -> bool:
    """Whether enough points lie beyond on one side, the last among them."""
    return any(
        side * window[-1] > sigmas and sum(side * point > sigmas for point in window) >= needed for side in (1, -1)
    )


def fires(rule: Rule, points: list[float], end: int) -> bool:  # noqa: PLR0911 - one sentence a rule
    """A rule by its sentence in the handbook, for one point."""

    def last(length: int) -> list[float]:
        return points[max(0, end - length + 1) : end + 1]

    def full(length: int) -> list[float] | None:
        return last(length) if end + 1 >= length else None

    match rule:
        case Rule.WE1 | Rule.NELSON1:
            return abs(points[end]) > 3
        case Rule.WE2 | Rule.NELSON5:
            return some_beyond(last(3), 2, 2)
        case Rule.WE3 | Rule.NELSON6:
            return some_beyond(last(5), 4, 1)
        case Rule.WE4 | Rule.NELSON2:
            run = full(8 if rule is Rule.WE4 else 9)
            return run is not None and (all(p > 0 for p in run) or all(p < 0 for p in run))
        case Rule.NELSON3:
            run = full(6)
            return run is not None and (run == sorted(set(run)) or run == sorted(set(run), reverse=True))
        case Rule.NELSON4:
            steps = [later > earlier for earlier, later in pairwise(full(14) or [])]
            falls = [later < earlier for earlier, later in pairwise(full(14) or [])]
            turns = [bool(i % 2) for i in range(13)]
            return (steps, falls) in ((turns, [not turn for turn in turns]), ([not turn for turn in turns], turns))
        case Rule.NELSON7:
            run = full(15)
            return run is not None and all(abs(p) <= 1 for p in run)
        case Rule.NELSON8:
            run = full(8)
            return run is not None and all(abs(p) > 1 for p in run)


@given(POINTS)
def test_each_rule_fires_where_its_sentence_holds(points: list[float]) -> None:
    """On any series every rule agrees with its definition, read out point by point."""
    expected = {(rule, end) for rule in Rule for end in range(len(points)) if fires(rule, points, end)}
    assert {(s.rule, s.point) for s in run_rules(points, Rule)} == expected


@given(st.lists(st.floats(0.01, 0.9), min_size=14, max_size=20), st.booleans())
def test_each_rule_fires_on_long_patterns(steps: list[float], start: bool) -> None:
    """Alternating points, which chance seldom draws, agree with the definition as well."""
    points = [step if i % 2 == start else -step for i, step in enumerate(steps)]
    expected = {end for end in range(len(points)) if fires(Rule.NELSON4, points, end)}
    assert {s.point for s in run_rules(points, [Rule.NELSON4])} == expected
    assert expected == set(range(13, len(points)))


@given(POINTS)
def test_a_mirrored_chart_signals_at_the_same_points(points: list[float]) -> None:
    """No rule prefers a side."""
    assert run_rules([-p for p in points], Rule) == run_rules(points, Rule)


@given(POINTS)
def test_later_points_change_no_earlier_signal(points: list[float]) -> None:
    """A signal depends on what came before it only."""
    cut = len(points) // 2
    assert [s for s in run_rules(points, Rule) if s.point < cut] == list(run_rules(points[:cut], Rule))


@given(POINTS)
def test_signals_tell_their_points(points: list[float]) -> None:
    """The points ascend and end at the one that completes the pattern; signals come by point, then by rule."""
    signals = run_rules(points, NELSON)
    for signal in signals:
        assert list(signal.points) == sorted(set(signal.points))
        assert signal.points[-1] == signal.point
    assert [(s.point, NELSON.index(s.rule)) for s in signals] == sorted(
        (s.point, NELSON.index(s.rule)) for s in signals
    )


@pytest.mark.parametrize(
    ("rule", "points", "pattern"),
    [
        (Rule.WE1, [0.0, -3.1, 0.0], (1,)),
        (Rule.WE2, [2.1, 0.0, 2.1], (0, 2)),
        (Rule.WE3, [1.1, 1.2, 0.0, 1.1, 1.5], (0, 1, 3, 4)),
        (Rule.WE4, [0.1] * 8, tuple(range(8))),
        (Rule.NELSON2, [-0.1] * 9, tuple(range(9))),
        (Rule.NELSON3, [-1.0, -0.5, 0.0, 0.5, 0.9, 1.0], tuple(range(6))),
        (Rule.NELSON4, [0.5, -0.5] * 7, tuple(range(14))),
        (Rule.NELSON7, [0.9, -0.9, 0.0] * 5, tuple(range(15))),
        (Rule.NELSON8, [1.1, -1.1] * 4, tuple(range(8))),
    ],
)
def test_the_shortest_pattern_of_each_rule(rule: Rule, points: list[float], pattern: tuple[int, ...]) -> None:
    """It fires once, at its end, and one point less does not fire."""
    assert run_rules(points, [rule]) == (Signal(rule, pattern[-1], pattern),)
    assert run_rules(points[: pattern[-1]], [rule]) == ()


@pytest.mark.parametrize("z", [3.0, -3.0])
def test_a_point_on_the_limit_is_within(z: float) -> None:
    """Beyond is strict."""
    assert run_rules([z], WESTERN_ELECTRIC) == ()


@pytest.mark.parametrize(("rule", "points"), [(Rule.NELSON7, [1.0, -1.0, 0.5] * 5), (Rule.NELSON8, [1.5, -1.0] * 4)])
def test_a_point_at_one_sigma_is_within(rule: Rule, points: list[float]) -> None:
    """It belongs to a run near the centre, and to none away from it."""
    assert bool(run_rules(points, [rule])) == (rule is Rule.NELSON7)


def test_an_equal_neighbour_ends_an_alternation() -> None:
    """Fourteen points of which two neighbours are equal do not alternate."""
    assert run_rules([0.5, -0.5] * 3 + [-0.5] + [0.5, -0.5] * 3 + [0.5], [Rule.NELSON4]) == ()


def test_opposite_sides_do_not_add_up() -> None:
    """Two points beyond 2 sigma on different sides are no pattern."""
    assert run_rules([2.5, -2.5], [Rule.WE2]) == ()


def test_a_point_on_the_centre_line_ends_a_run() -> None:
    """Seven above, one on the line and one above are no run of eight."""
    assert run_rules([0.5] * 7 + [0.0] + [0.5], [Rule.WE4]) == ()


def test_western_electric_is_the_default() -> None:
    """Fifteen points near the centre, which only Nelson minds, are quiet."""
    points = [0.1, -0.1, 0.2] * 5
    assert run_rules(points) == ()
    assert [s.rule for s in run_rules(points, NELSON)] == [Rule.NELSON7]


def test_the_rate_of_false_alarms_is_the_published_one() -> None:
    """The four rules together run 91.75 points in control on average (Champ & Woodall 1987, Table 1)."""
    series = np.random.default_rng(11).standard_normal((400, 900))
    lengths = [next(s.point for s in run_rules(points)) + 1 for points in series]
    assert np.mean(lengths) == pytest.approx(91.75, abs=3 * 91.75 / 20)


def test_points_are_finite() -> None:
    """A missing point must be left out by who knows why it is missing."""
    with pytest.raises(InvalidRequest) as refused:
        run_rules([0.0, float("nan")])
    assert refused.value.param == "z"
