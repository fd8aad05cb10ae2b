"""A worker's jobs are the supervisor's, one call away over a real link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argosy.core.errors import InvalidRequest, NotFound, TooManyJobs, Unavailable
from argosy.core.status import RuntimeState, RuntimeStatus
from argosy.server.control.link import StatusFollower, StatusPublisher
from argosy.server.control.messages import Snapshot
from argosy.server.jobs.desk import DeskOptions
from argosy.server.jobs.job import JobState
from argosy.server.jobs.linked import JobOffice, LinkedJobs
from tests.unit.server.jobs.worked import Worked


class Linked:
    """A desk, its office, and a worker's end."""

    def __init__(self, root: Path) -> None:
        self.worked = Worked(root, DeskOptions(waiting=1))
        self.office = JobOffice(self.worked.desk)
        self.connected = asyncio.Event()
        self.publisher = StatusPublisher(root / "link.sock", lambda *_: None)
        self.follower = StatusFollower(root / "link.sock", lambda _: self.connected.set(), lambda: None)
        self.jobs = LinkedJobs(self.follower)

    async def start(self) -> None:
        await self.publisher.start(None, self.office.orders())
        self.publisher.publish(Snapshot(0, RuntimeStatus(RuntimeState.READY)))
        await self.office.start()
        await self.follower.start()
        await asyncio.wait_for(self.connected.wait(), 10)


@pytest.fixture
async def linked(tmp_path: Path) -> AsyncIterator[Linked]:
    made = Linked(tmp_path)
    await made.start()
    yield made
    await made.follower.stop()
    await made.office.stop()
    await made.publisher.stop()


async def test_a_worker_orders_follows_and_reads(linked: Linked) -> None:
    """What it gets is what the owner has."""
    desk, jobs = linked.worked.desk, linked.jobs
    job = await jobs.submit(linked.worked.request("fine"), "ann")
    found, more = await jobs.events(job.id, 0, 5.0)
    while more:
        new, more = await jobs.events(job.id, found[-1].number, 5.0)
        found = [*found, *new]
    assert found == list((await desk.events(job.id, 0, 0))[0])
    assert await jobs.job(job.id) == await desk.job(job.id)
    assert list(await jobs.jobs()) == list(await desk.jobs())
    assert await jobs.report(job.id) == await desk.report(job.id)
    assert await jobs.cancel(job.id) == await desk.job(job.id)


async def test_refusals_arrive_as_what_they_are(linked: Linked) -> None:
    """With their words, fields and times."""
    with pytest.raises(InvalidRequest) as refused:
        await linked.jobs.submit({"kind": "convert", "model": "/etc/passwd"})
    assert refused.value.param == "model"
    with pytest.raises(NotFound) as missing:
        await linked.jobs.job("0" * 19)
    assert (type(missing.value), missing.value.param) == (NotFound, "id")
    running = await linked.jobs.submit(linked.worked.request("slow"))
    await linked.worked.waiting()
    await linked.jobs.submit(linked.worked.request("fine"))
    with pytest.raises(TooManyJobs) as many:
        await linked.jobs.submit(linked.worked.request("fine", name="third"))
    assert many.value.retry_after == 30
    assert (await linked.jobs.cancel(running.id)).cancelling


async def test_a_long_history_arrives_in_parts(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is longer than a line of the link may be."""
    monkeypatch.setattr("argosy.server.jobs.linked._MOST_EVENTS", 3)
    job = await linked.worked.ended(await linked.jobs.submit(linked.worked.request("fine")))
    assert job.state is JobState.SUCCEEDED
    numbers: list[int] = []
    more = True
    while more:
        found, more = await linked.jobs.events(job.id, len(numbers), 0)
        assert len(found) <= 3
        numbers += [event.number for event in found]
    assert numbers == list(range(1, 8))


async def test_without_a_supervisor_there_are_no_jobs(tmp_path: Path) -> None:
    """A worker that has no link says so at once."""
    with pytest.raises(Unavailable):
        await LinkedJobs(StatusFollower(tmp_path / "nobody.sock", lambda _: None, lambda: None)).jobs()
