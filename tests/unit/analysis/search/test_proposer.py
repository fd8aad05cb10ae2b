"""Which configuration is measured next."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.analysis.goal import Goal, judge, outcome
from argosy.analysis.search.proposer import Proposer
from argosy.analysis.space import Configuration, Space
from argosy.analysis.trial import Trial
from tests.suites.landscapes import level, trial

GRID = Space.of(
    {"max_batch_size": [1, 2, 4, 8, 16, 32], "queue_delay_us": [0, 500, 2000, 5000], "instances": [1, 2, 4]}
)


class Landscape:
    """Throughput with one summit at a random place, a tilt between two settings, and noise of 2 %."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        self._summit = self._chance.uniform(size=3)
        self._steepness = self._chance.uniform(0.5, 6.0, size=3)
        self._tilt = self._chance.uniform(-0.5, 0.5)

    def value(self, configuration: Configuration) -> float:
        """Without the noise."""
        away = GRID.encode([configuration])[0] - self._summit
        return float(1000 * math.exp(-(self._steepness @ away**2) - self._tilt * away[0] * away[2]))

    def measure(self, number: int, configuration: Configuration) -> Trial:
        """As a bench would; latency grows as throughput falls."""
        noisy = self.value(configuration) * self._chance.lognormal(0, 0.02)
        return Trial(number, configuration, number == 1, (level(16, noisy, 16_000 / noisy),))

    def search(self, goal: Goal, budget: int, seed: int = 0) -> list[Trial]:
        """The trials of a search from the first configuration of the grid."""
        proposer = Proposer(GRID, goal, seed)
        done = [self.measure(1, next(GRID.configurations()))]
        while len(done) < budget and (wanted := proposer.propose(done)) is not None:
            done.append(self.measure(len(done) + 1, wanted))
        return done


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_summit_is_found_with_a_quarter_of_the_measurements(seed: int) -> None:
    """Within 7 % of the true best, of which 2 % may be noise, whatever the landscape."""
    landscape = Landscape(seed)
    best = max(landscape.value(configuration) for configuration in GRID.configurations())
    done = landscape.search(Goal(), GRID.size // 4, seed)
    assert max(landscape.value(item.configuration) for item in done) >= 0.93 * best


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_limits_are_found_and_kept(seed: int) -> None:
    """With a limit that a fifth of the space keeps, the best that is named keeps it."""
    landscape = Landscape(seed)
    latencies = sorted(16_000 / landscape.value(item) for item in GRID.configurations())
    goal = Goal(p99_ms=latencies[len(latencies) // 5])
    found = outcome(goal, landscape.search(goal, GRID.size // 4, seed))
    assert found.best is not None
    assert found.best.level is not None
    assert found.best.level.p99_ms <= goal.p99_ms


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1))
def test_everything_is_proposed_once(values: dict[str, list[int | str]]) -> None:
    """Until nothing is left; failures and limits that cannot be kept change nothing about it."""
    space = Space.of(values)
    proposer = Proposer(space, Goal(p99_ms=1.0), seed=3)
    done: list[Trial] = []
    while (wanted := proposer.propose(done)) is not None:
        failure = "does not load" if len(done) % 3 == 1 else ""
        done.append(trial(len(done) + 1, failure=failure, **wanted.to_mapping()))
    assert sorted(item.configuration.items for item in done) == sorted(item.items for item in space.configurations())


def test_the_same_seed_proposes_the_same() -> None:
    """A search that is continued goes where it would have gone."""
    done = Landscape(5).search(Goal(), 9)
    proposals = {Proposer(GRID, Goal(), seed=2).propose(done) for _ in range(3)}
    assert len(proposals) == 1


def test_failing_neighbours_are_avoided() -> None:
    """Where everything with four instances fails, the search stays away from four instances."""
    proposer = Proposer(GRID, Goal(), seed=0)
    done: list[Trial] = []
    while len(done) < 24:
        wanted = proposer.propose(done)
        assert wanted is not None
        if wanted.get("instances") == 4:
            done.append(trial(len(done) + 1, failure="out of memory", **wanted.to_mapping()))
        else:
            rate = 100.0 + 10 * GRID.encode([wanted])[0].sum()
            done.append(trial(len(done) + 1, level(16, rate), **wanted.to_mapping()))
    failed = [item for item in done if judge(Goal(), item).level is None]
    assert len(failed) <= 5
