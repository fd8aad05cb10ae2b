"""Events are numbered, kept, and waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from argosy.server.jobs.events import EventLog


def test_events_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    """Numbers go on where they were."""
    log = EventLog(tmp_path / "events.jsonl")
    log.add("state", "now", {"state": "queued"})
    log.add("step", "now", {"step": "load"})
    again = EventLog(tmp_path / "events.jsonl")
    assert list(again.after(0)) == list(log.after(0))
    again.add("state", "later", {"state": "running"})
    assert [event.number for event in EventLog(tmp_path / "events.jsonl").after(1)] == [2, 3]


@pytest.mark.parametrize(
    "torn", [b'{"number": 2, "type"', b'{"number": 9, "type": "step", "time": "", "data": {}}\n', b"x\n"]
)
def test_what_was_not_finished_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    """Half a line, or one that does not follow, as a crash may leave it; what comes next is on a line of its own."""
    path = tmp_path / "events.jsonl"
    EventLog(path).add("state", "now", {})
    with path.open("ab") as file:
        file.write(torn)
    EventLog(path).add("step", "now", {})
    assert [(event.number, event.type) for event in EventLog(path).after(0)] == [(1, "state"), (2, "step")]


async def test_a_reader_waits_for_the_next_event(tmp_path: Path) -> None:
    """Every reader gets it; one that waits in vain gets nothing."""
    log = EventLog(tmp_path / "events.jsonl")
    waiting = [asyncio.create_task(log.wait(0, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    log.add("state", "now", {})
    assert [[event.number for event in await each] for each in waiting] == [[1], [1]]
    assert list(await log.wait(1, 0.01)) == []


def test_a_disk_that_takes_no_more_costs_the_file_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Readers go on hearing."""
    log = EventLog(tmp_path / "absent" / "events.jsonl")
    log.add("state", "now", {})
    assert len(log.after(0)) == 1
    assert "cannot be written" in caplog.text


def test_events_that_cannot_be_read_cost_the_file_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The job goes on, and readers hear what comes."""
    (tmp_path / "events.jsonl").mkdir()
    log = EventLog(tmp_path / "events.jsonl")
    log.add("state", "now", {})
    assert len(log.after(0)) == 1
    assert "cannot be read" in caplog.text


def test_a_talkative_job_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound only states are noted."""
    monkeypatch.setattr("argosy.server.jobs.events._MOST", 3)
    log = EventLog(tmp_path / "events.jsonl")
    for _ in range(5):
        log.add("download", "now", {})
    log.add("state", "now", {})
    assert [event.type for event in log.after(0)] == ["download", "download", "download", "state"]
