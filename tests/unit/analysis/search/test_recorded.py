"""The search against a brute force that was measured once on a real Triton; see `tests/data/analysis/README.md`."""

from __future__ import annotations

import math

import pytest

from argosy.analysis.goal import Goal, Objective, judge
from tests.suites.landscapes import MIB, Recorded

SEEDS = range(20)
WITHIN = math.log(0.95)
GOALS = {
    "throughput": Goal(),
    "throughput in the memory of two instances": Goal(memory_bytes=110 * MIB),
    "throughput within a latency": Goal(p99_ms=300),
    "latency in the memory of two instances": Goal(Objective.LATENCY, memory_bytes=110 * MIB),
    "memory at a throughput": Goal(Objective.MEMORY, min_throughput=100),
}


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Every configuration of a space."""
    return Recorded.read("batching")


def test_every_configuration_of_the_space_is_recorded(recorded: Recorded) -> None:
    """A brute force left nothing out, and nothing failed."""
    assert set(recorded.trials) == set(recorded.space.configurations())
    assert not any(trial.failure for trial in recorded.trials.values())


@pytest.mark.parametrize("goal", GOALS.values(), ids=list(GOALS))
def test_a_quarter_of_the_measurements_finds_the_best(recorded: Recorded, goal: Goal) -> None:
    """Within 5 % of the brute-force best for 19 of 20 seeds at least, and the limits are kept by each."""
    short = [_short(recorded, goal, seed) for seed in SEEDS]
    assert sum(found >= WITHIN for found in short) >= 19
    assert min(short) > -math.inf


def _short(recorded: Recorded, goal: Goal, seed: int) -> float:
    """How far the best of a search is below the best of all, as the logarithm of a ratio."""
    judged = [judge(goal, trial) for trial in recorded.search(goal, seed, recorded.space.size // 4)]
    best = max((item.score for item in judged if item.feasible), default=-math.inf)
    return best - recorded.best(goal)
