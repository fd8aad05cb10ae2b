"""Objectives and limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.analysis.goal import Goal, Objective, judge, outcome, pareto
from tests.suites.landscapes import MIB, level, trial


def test_throughput_takes_the_level_that_is_fastest_within_the_limit() -> None:
    """A faster level that misses the p99 does not count."""
    found = judge(Goal(p99_ms=30), trial(1, level(1, 50, 10), level(16, 80, 25), level(64, 200, 90)))
    assert found.feasible
    assert found.level is not None
    assert found.level.concurrency == 16


def test_latency_takes_the_level_that_reaches_the_throughput() -> None:
    """The quickest level is of no use when it carries too little."""
    found = judge(Goal(Objective.LATENCY, min_throughput=70), trial(1, level(1, 50, 10), level(16, 80, 25)))
    assert found.level is not None
    assert found.level.concurrency == 16


def test_memory_prefers_the_smaller_model() -> None:
    """Less memory is a higher score."""
    goal = Goal(Objective.MEMORY)
    small, large = trial(1, level(rss_bytes=100 * MIB)), trial(2, level(rss_bytes=200 * MIB))
    assert judge(goal, small).score - judge(goal, large).score == pytest.approx(math.log(2))


def test_every_limit_counts() -> None:
    """The worst-kept limit is the violation."""
    goal = Goal(p99_ms=10, memory_bytes=50 * MIB, min_throughput=50)
    found = judge(goal, trial(1, level(throughput=100, p99_ms=20, rss_bytes=200 * MIB)))
    assert not found.feasible
    assert found.violation == pytest.approx(math.log(4))


def test_a_level_with_errors_is_no_answer() -> None:
    """Throughput of requests that fail in part is not comparable."""
    found = judge(Goal(), trial(1, level(1, 50), level(16, 500, errors=200)))
    assert found.level is not None
    assert found.level.concurrency == 1


def test_nothing_feasible_names_the_nearest() -> None:
    """The one that misses the limit least."""
    found = outcome(Goal(p99_ms=5), [trial(1, level(p99_ms=50)), trial(2, level(p99_ms=8)), trial(3, failure="no")])
    assert found.best is None
    assert found.nearest is not None
    assert found.nearest.trial.number == 2


def test_a_gain_within_the_noise_is_none() -> None:
    """Two per cent more is what the same config may show tomorrow."""
    goal = Goal()
    slightly = outcome(goal, [trial(1, level(throughput=100), current=True), trial(2, level(throughput=102))])
    clearly = outcome(goal, [trial(1, level(throughput=100), current=True), trial(2, level(throughput=120))])
    assert not slightly.worth_applying
    assert clearly.worth_applying


def test_keeping_the_limits_is_worth_it_where_the_current_config_does_not() -> None:
    """Whatever the objective says."""
    found = outcome(Goal(p99_ms=30), [trial(1, level(64, 500, 90), current=True), trial(2, level(64, 100, 20))])
    assert found.gain is None
    assert found.worth_applying


@given(st.lists(st.tuples(st.floats(1, 1e4), st.floats(0.1, 1e4)), min_size=1, max_size=30))
def test_the_front_is_what_nobody_beats(points: list[tuple[float, float]]) -> None:
    """A point is on the front exactly when no other is faster at no more latency, or as fast at less."""
    measured = [(trial(number), level(1, *point)) for number, point in enumerate(points)]
    front = {(found.throughput, found.p99_ms) for _, found in pareto(measured)}
    for throughput, p99 in points:
        beaten = any(
            (other > throughput and late <= p99) or (other >= throughput and late < p99) for other, late in points
        )
        assert ((throughput, p99) in front) is not beaten
