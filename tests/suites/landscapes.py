"""Configurations and measurements for tests of the search: made up where the answer must be known, else recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from argosy.analysis.goal import Goal, judge
from argosy.analysis.rig import TrialFailed
from argosy.analysis.search.proposer import Proposer
from argosy.analysis.space import Configuration, Space
from argosy.analysis.trial import Level, Trial

RECORDED = Path(__file__).parents[1] / "data" / "analysis"

MIB = 1 << 20


def level(
    concurrency: int = 16, throughput: float = 100.0, p99_ms: float = 20.0, rss_bytes: int = 100 * MIB, **changes: Any
) -> Level:
    """A stable level with figures that go together."""
    plain = Level(
        concurrency=concurrency,
        throughput=throughput,
        requests_per_second=throughput,
        p50_ms=p99_ms / 2,
        p90_ms=p99_ms * 0.8,
        p99_ms=p99_ms,
        first_p99_ms=0.0,
        cpu_seconds_per_1k=1.0,
        rss_bytes=rss_bytes,
        spread=0.02,
        stable=True,
        requests=300,
        seconds=3.0,
    )
    return replace(plain, **changes)


def trial(number: int = 1, *levels: Level, current: bool = False, failure: str = "", **values: int | str) -> Trial:
    """A trial of these values, with one ordinary level unless told otherwise."""
    found = levels if levels or failure else (level(),)
    return Trial(number, Configuration.of(values), current, tuple(found), failure, 1.0)


@dataclass
class ScriptedBench:
    """A bench whose measurements are known; it notes what was asked of it.

    Attributes:
        answer: levels of a configuration at a concurrency; raises `TrialFailed` for one that cannot be measured.
    """

    answer: Callable[[Configuration | None, int], Level]
    asked: list[tuple[Configuration | None, int]] = field(default_factory=list)

    async def measure(
        self, configuration: Configuration | None, concurrencies: Sequence[int]
    ) -> AsyncGenerator[Level, None]:
        for concurrency in concurrencies:
            self.asked.append((configuration, concurrency))
            yield self.answer(configuration, concurrency)


@dataclass(frozen=True)
class Recorded:
    """A brute force that was measured once on a real Triton.

    Attributes:
        trials: of every configuration of the space, by configuration.
        current: the first one.
    """

    space: Space
    trials: dict[Configuration, Trial]
    current: Trial

    @classmethod
    def read(cls, name: str) -> Recorded:
        """The recording in `tests/data/analysis`."""
        data = json.loads((RECORDED / f"{name}.json").read_text())
        trials = [Trial.from_mapping(item) for item in data["trials"]]
        found = {trial.configuration: trial for trial in trials}
        return cls(Space.of(data["space"], data["processors"]), found, trials[0])

    def best(self, goal: Goal) -> float:
        """Score of the best configuration that keeps the limits."""
        return max(item.score for item in (judge(goal, trial) for trial in self.trials.values()) if item.feasible)

    def search(self, goal: Goal, seed: int, budget: int) -> list[Trial]:
        """What a search with this budget would have measured, the current config first."""
        proposer = Proposer(self.space, goal, seed)
        done = [replace(self.current, number=1)]
        while len(done) < budget and (wanted := proposer.propose(done)) is not None:
            done.append(replace(self.trials[wanted], number=len(done) + 1))
        return done


def failing(reason: str) -> Callable[[Configuration | None, int], Level]:
    """An answer that is always this failure."""

    def answer(configuration: Configuration | None, concurrency: int) -> Level:
        raise TrialFailed(reason)

    return answer
