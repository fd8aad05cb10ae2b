"""Searches and applies on a disk that is full. See `test_full_disk.py`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from argosy.analysis.apply import Change, State, apply
from argosy.analysis.goal import Goal
from argosy.analysis.journal import open_journal
from tests.suites.landscapes import level
from tests.suites.small_disk import Ballast, expect_full
from tests.unit.analysis.test_apply import KnownGauge, on_disk
from tests.unit.analysis.test_journal import IDENTITY, ONE


def journal_on(disk: Path) -> None:
    """Measurements until the disk takes no more; all that were noted are there when the search goes on."""
    folder, ballast = disk / "search", Ballast(disk)
    journal = open_journal(folder, IDENTITY, resume=False)
    journal.begin(ONE, current=True)
    ballast.fill()
    noted = 0

    def measure() -> None:
        nonlocal noted
        while noted < 1000:
            journal.add(level(noted))
            noted += 1

    expect_full(measure, str(folder), "--resume")
    journal.close()
    ballast.drop()
    again = open_journal(folder, IDENTITY, resume=True)
    assert again.begun is not None
    assert [each.concurrency for each in again.begun.levels] == list(range(noted))
    again.add(level(noted))
    assert again.end(1.0).levels[-1] == level(noted)
    again.close()


def apply_on(disk: Path) -> None:
    """A full disk changes nothing; one that fills up later does not keep the former config from coming back."""
    entry, ballast = disk / "m", Ballast(disk)
    entry.mkdir()
    (entry / "config.pbtxt").write_text("old")
    change = Change("m", entry, "old", "new")
    ballast.fill()
    gauge = KnownGauge([level()])
    expect_full(lambda: asyncio.run(apply(change, Goal(), gauge, None)), str(entry), "--resume --apply")
    assert on_disk(change) == ("old", False)
    assert [path.name for path in entry.iterdir()] == ["config.pbtxt"]
    ballast.drop()

    class FillingGauge(KnownGauge):
        async def measure(self, config: str):
            if config == "new":
                ballast.fill()
            return await super().measure(config)

    worse = FillingGauge([level(throughput=100), level(throughput=50), level(throughput=50)])
    assert asyncio.run(apply(change, Goal(), worse, None)).state is State.ROLLED_BACK
    assert on_disk(change) == ("old", False)
    ballast.drop()
    better = KnownGauge([level(throughput=100), level(throughput=150)])
    assert asyncio.run(apply(change, Goal(), better, None)).state is State.APPLIED
    assert on_disk(change) == ("new", True)


if __name__ == "__main__":
    {"journal": journal_on, "apply": apply_on}[sys.argv[2]](Path(sys.argv[1]))
