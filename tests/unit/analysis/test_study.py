"""The search over a bench whose answers are known."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from argosy.analysis.goal import Goal
from argosy.analysis.journal import open_journal
from argosy.analysis.rig import TrialFailed
from argosy.analysis.search.proposer import Proposer
from argosy.analysis.space import Configuration, Space
from argosy.analysis.study import Budget, Progress, Step, Study
from argosy.analysis.trial import Level
from tests.suites.landscapes import ScriptedBench, failing, level

SPACE = Space.of({"max_batch_size": [8, 16, 32, 64], "instances": [1, 2, 3, 4]})
CURRENT = Configuration.of({"max_batch_size": 8, "instances": 1})


def rate(configuration: Configuration | None, concurrency: int) -> Level:
    """Best with a batch of 32 and 3 instances; batches of 64 do not load."""
    values = (configuration or CURRENT).to_mapping()
    if values["max_batch_size"] == 64:
        raise TrialFailed("It does not load: out of memory")
    away = abs(math.log2(values["max_batch_size"] / 32)) + abs(values["instances"] - 3)
    return level(concurrency, 1000 / (1 + away) * (1 if concurrency > 1 else 0.2))


class Search:
    """A study in a folder, started as often as wanted."""

    def __init__(self, folder: Path, goal: Goal | None = None) -> None:
        self.folder = folder
        self.goal = goal or Goal()
        self.steps: list[Progress] = []

    async def run(self, bench: ScriptedBench, budget: Budget) -> Study:
        journal = open_journal(self.folder, {"model": "m"}, resume=True)
        try:
            study = Study(
                bench, journal, Proposer(SPACE, self.goal), budget, CURRENT, (1, 16), on_progress=self.steps.append
            )
            await study.run()
            return study
        finally:
            journal.close()


async def test_the_current_config_comes_first_and_as_it_is(tmp_path: Path) -> None:
    """It is the yardstick, so nothing is written into it."""
    bench = ScriptedBench(rate)
    await Search(tmp_path).run(bench, Budget(trials=3))
    assert bench.asked[0] == (None, 1)
    assert bench.asked[1] == (None, 16)
    assert CURRENT not in {configuration for configuration, _ in bench.asked}


async def test_the_best_is_found_before_the_space_is_used_up(tmp_path: Path) -> None:
    """And a configuration that does not load is a result, not the end."""
    search = Search(tmp_path)
    study = await search.run(ScriptedBench(rate), Budget(trials=9))
    best = study.outcome.best
    assert best is not None
    assert best.trial.configuration.to_mapping() == {"max_batch_size": 32, "instances": 3}
    failed = [step.trial for step in search.steps if step.step is Step.ENDED and step.trial.failure]
    assert {trial.configuration.get("max_batch_size") for trial in failed} == {64}


async def test_the_end_of_the_space_is_the_end(tmp_path: Path) -> None:
    """Every configuration once, without a limit."""
    search = Search(tmp_path)
    await search.run(ScriptedBench(rate), Budget())
    ended = [step.trial.configuration for step in search.steps if step.step is Step.ENDED]
    assert len(ended) == len(set(ended)) == SPACE.size


async def test_time_spent_by_earlier_processes_counts(tmp_path: Path) -> None:
    """A search of an hour is an hour, however often it is continued."""
    now = iter(range(0, 10_000, 100))
    journal = open_journal(tmp_path, {"model": "m"}, resume=True)
    study = Study(
        ScriptedBench(rate),
        journal,
        Proposer(SPACE, Goal()),
        Budget(seconds=250),
        CURRENT,
        (1,),
        clock=lambda: next(now),
    )
    await study.run()
    # Each trial takes a hundred seconds; the third begins at two hundred.
    assert len(journal.trials) == 3
    journal.close()
    bench = ScriptedBench(rate)
    await Search(tmp_path).run(bench, Budget(seconds=250))
    assert bench.asked == []


async def test_a_search_that_was_cancelled_goes_on_where_it_was(tmp_path: Path) -> None:
    """The level that was measured is not measured again, and the whole takes the way it would have taken."""
    straight = Search(tmp_path / "straight")
    await straight.run(ScriptedBench(rate), Budget(trials=8))

    def stop_in_the_fourth(configuration: Configuration | None, concurrency: int) -> Level:
        if len(bench.asked) == 8:
            raise asyncio.CancelledError
        return rate(configuration, concurrency)

    broken = Search(tmp_path / "broken")
    bench = ScriptedBench(stop_in_the_fourth)
    with pytest.raises(asyncio.CancelledError):
        await broken.run(bench, Budget(trials=8))
    rest = ScriptedBench(rate)
    study = await broken.run(rest, Budget(trials=8))
    assert rest.asked[0] == bench.asked[-1]
    assert study.outcome.best is not None

    def way(search: Search) -> list[Configuration]:
        return [step.trial.configuration for step in search.steps if step.step is Step.ENDED]

    assert way(broken) == way(straight)


async def test_nothing_measurable_is_an_answer(tmp_path: Path) -> None:
    """Every reason is recorded."""
    search = Search(tmp_path)
    study = await search.run(ScriptedBench(failing("It does not load: no weights")), Budget(trials=4))
    assert study.outcome.best is None
    assert study.outcome.nearest is None
    reasons = {step.trial.failure for step in search.steps if step.step is Step.ENDED}
    assert reasons == {"It does not load: no weights"}


async def test_limits_that_nothing_keeps_name_the_nearest(tmp_path: Path) -> None:
    """The search still goes towards them."""
    study = await Search(tmp_path, Goal(min_throughput=5000)).run(ScriptedBench(rate), Budget(trials=9))
    nearest = study.outcome.nearest
    assert nearest is not None
    assert nearest.trial.configuration.to_mapping() == {"max_batch_size": 32, "instances": 3}
