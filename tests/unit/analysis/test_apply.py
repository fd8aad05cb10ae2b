"""Putting a config to work, over a gauge and a server whose answers are known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from argosy.analysis.apply import Applied, Change, State, apply, worse
from argosy.analysis.goal import Goal, Objective
from argosy.analysis.rig import TrialFailed
from argosy.analysis.swap import BACKUP_FILE
from argosy.analysis.trial import Level
from argosy.core.errors import InvalidSetting, RuntimeFailure
from tests.suites.landscapes import level


@dataclass
class KnownGauge:
    """Answers in turn: levels, or what is to be raised."""

    answers: Sequence[Level | BaseException]
    asked: list[str] = field(default_factory=list)

    async def measure(self, config: str) -> Level:
        self.asked.append(config)
        answer = self.answers[len(self.asked) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer


@dataclass
class KnownServer:
    """Takes every config but those in `refuses`; notes what lay in the store when it was told to load."""

    directory: Path
    refuses: Callable[[str], bool] = lambda _: False
    loaded: list[str] = field(default_factory=list)

    async def reload(self, model: str) -> None:
        config = (self.directory / "config.pbtxt").read_text()
        self.loaded.append(config)
        if self.refuses(config):
            raise RuntimeFailure(f"{model} does not load.")


@pytest.fixture
def change(tmp_path: Path) -> Change:
    (tmp_path / "config.pbtxt").write_text("old")
    return Change("m", tmp_path, "old", "new")


def on_disk(change: Change) -> tuple[str, bool]:
    """The config, and whether there is a backup."""
    return (change.directory / "config.pbtxt").read_text(), (change.directory / BACKUP_FILE).exists()


async def test_a_better_config_stays(change: Change) -> None:
    """Measured before and after, loaded once, with the former one kept."""
    gauge, server = KnownGauge([level(throughput=100), level(throughput=150)]), KnownServer(change.directory)
    applied = await apply(change, Goal(), gauge, server)
    assert (applied.state, on_disk(change)) == (State.APPLIED, ("new", True))
    assert (gauge.asked, server.loaded) == (["old", "new"], ["new"])
    assert Path(applied.backup).read_text() == "old"


async def test_a_worse_config_goes(change: Change) -> None:
    """After a second measurement, and the server has the former one again."""
    gauge = KnownGauge([level(throughput=100), level(throughput=60), level(throughput=61)])
    server = KnownServer(change.directory)
    applied = await apply(change, Goal(), gauge, server)
    assert (applied.state, on_disk(change)) == (State.ROLLED_BACK, ("old", False))
    assert server.loaded == ["new", "old"]
    assert applied.after is not None
    assert applied.after.throughput == 61


async def test_one_bad_moment_is_measured_again(change: Change) -> None:
    """A second look decides."""
    gauge = KnownGauge([level(throughput=100), level(throughput=60), level(throughput=130)])
    applied = await apply(change, Goal(), gauge, None)
    assert (applied.state, on_disk(change)) == (State.APPLIED, ("new", True))


async def test_a_config_that_does_not_load_goes(change: Change) -> None:
    """The reason is in the message."""
    server = KnownServer(change.directory, refuses=lambda config: config == "new")
    applied = await apply(change, Goal(), KnownGauge([level()]), server)
    assert (applied.state, on_disk(change)) == (State.ROLLED_BACK, ("old", False))
    assert "m does not load." in applied.message
    assert server.loaded == ["new", "old"]


async def test_a_config_that_does_not_answer_goes(change: Change) -> None:
    """Also without a running server."""
    applied = await apply(change, Goal(), KnownGauge([level(), TrialFailed("crashed")]), None)
    assert (applied.state, on_disk(change)) == (State.ROLLED_BACK, ("old", False))
    assert "crashed" in applied.message


async def test_a_server_that_takes_nothing_back_is_told_of(change: Change) -> None:
    """The store is right all the same."""
    server = KnownServer(change.directory, refuses=lambda _: True)
    applied = await apply(change, Goal(), KnownGauge([level()]), server)
    assert on_disk(change) == ("old", False)
    assert "did not take it back" in applied.message


async def test_a_former_config_that_cannot_be_measured_changes_nothing(change: Change) -> None:
    """There would be nothing to compare with."""
    with pytest.raises(TrialFailed):
        await apply(change, Goal(), KnownGauge([TrialFailed("down")]), KnownServer(change.directory))
    assert on_disk(change) == ("old", False)


async def test_an_early_end_puts_the_former_config_back(change: Change) -> None:
    """Cancelled while the new one is measured."""
    server = KnownServer(change.directory)
    with pytest.raises(asyncio.CancelledError):
        await apply(change, Goal(), KnownGauge([level(), asyncio.CancelledError()]), server)
    assert on_disk(change) == ("old", False)
    assert server.loaded == ["new", "old"]


async def test_a_config_that_somebody_changed_is_left_alone(change: Change) -> None:
    """The search was about another one."""
    (change.directory / "config.pbtxt").write_text("edited")
    with pytest.raises(InvalidSetting, match="search again"):
        await apply(change, Goal(), KnownGauge([]), None)
    assert on_disk(change) == ("edited", False)


@pytest.mark.parametrize(
    ("goal", "before", "after", "expected"),
    [
        (Goal(), level(throughput=100), level(throughput=96), False),
        (Goal(), level(throughput=100), level(throughput=90), True),
        (Goal(), level(throughput=100, spread=0.3), level(throughput=90), False),
        (Goal(Objective.LATENCY), level(p99_ms=10), level(p99_ms=14), True),
        (Goal(Objective.MEMORY), level(rss_bytes=100), level(rss_bytes=120), True),
        (Goal(p99_ms=20), level(p99_ms=15), level(throughput=500, p99_ms=40), True),
        (Goal(p99_ms=20), level(throughput=500, p99_ms=40), level(throughput=100, p99_ms=15), False),
    ],
)
def test_worse_is_more_than_noise_or_a_broken_limit(goal: Goal, before: Level, after: Level, expected: bool) -> None:
    """And a config that broke a limit is no yardstick for the objective."""
    assert worse(goal, before, after) is expected


def test_what_was_done_is_plain_data() -> None:
    """For the report."""
    applied = Applied(State.APPLIED, "done", level(), None, "backup")
    assert applied.to_mapping()["state"] == "applied"
    assert applied.to_mapping()["after"] is None
