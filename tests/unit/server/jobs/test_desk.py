"""Jobs from their order to their end, over a real child process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from argosy.core.errors import InvalidRequest, ModelLoadFailed, NotFound, TooManyJobs, Unavailable
from argosy.server.jobs.desk import DeskOptions
from argosy.server.jobs.intake import Intake, Work
from argosy.server.jobs.job import JobState
from argosy.server.jobs.store import JobStore
from tests.unit.server.jobs.worked import Worked, plain


@pytest.fixture
async def worked(tmp_path: Path) -> AsyncIterator[Worked]:
    made = Worked(tmp_path, DeskOptions(waiting=2, kept=2))
    await made.desk.start()
    yield made
    await made.desk.stop()


async def test_a_job_is_carried_out_and_told(worked: Worked) -> None:
    """Its states, steps and downloads are events; its figures, entry and page are there at the end."""
    job = await worked.order("fine", load=True)
    assert (job.state, job.name, job.submitted_by) == (JobState.QUEUED, "fine", "ann")
    done = await worked.ended(job)
    assert done.state is JobState.SUCCEEDED
    assert done.result is not None
    assert done.result["proof"]["figures"] == {"cosine": 1.0}
    assert (done.result["loaded"], worked.loaded, worked.taken) == (True, ["fine"], [worked.root / "store" / "fine"])
    assert [(step.name, step.phase) for step in done.steps] == [("load", "finished"), ("build", "finished")]
    assert (done.done, done.total, len(done.steps[1].message)) == (2, 2, 1000)
    events, more = await worked.desk.events(job.id, 0, 0)
    assert not more
    assert [event.type for event in events] == ["state", "state", "download", "step", "step", "step", "state"]
    assert (await worked.desk.report(job.id)).read_text() == "<html>figures</html>"
    assert (worked.root / "cache/jobs/8000" / job.id / "log.txt").read_text() == "by the way\n"


async def test_a_model_that_cannot_be_loaded_was_converted_all_the_same(worked: Worked) -> None:
    """The job says both."""
    worked.load_error = ModelLoadFailed("no room")
    done = await worked.ended(await worked.order("fine", load=True))
    assert done.state is JobState.SUCCEEDED
    assert done.result is not None
    assert (done.result["loaded"], done.result["load_problem"]) == (False, "no room")


async def test_a_job_that_fails_says_why(worked: Worked) -> None:
    """With the error that the command named, and its page."""
    done = await worked.ended(await worked.order("broken"))
    assert done.state is JobState.FAILED
    assert done.problem is not None
    assert (done.problem.code, done.problem.message) == ("proof_failed", "It is not right enough.")
    assert (await worked.desk.report(done.id)).read_text() == "<html>why</html>"
    assert worked.taken == []


async def test_a_job_whose_process_crashes_says_how(worked: Worked) -> None:
    """The signal, and its last words; a page of an earlier job is not taken for its own."""
    (worked.root / "work" / "report.html").write_text("<html>earlier</html>")
    done = await worked.ended(await worked.order("crashing"))
    assert done.problem is not None
    assert done.problem.code == "job_failed"
    assert "Signal 11" in done.problem.message
    assert "out of luck" in done.problem.message
    with pytest.raises(NotFound, match="has no report"):
        await worked.desk.report(done.id)


async def test_one_runs_at_a_time_and_as_many_wait_as_may(worked: Worked) -> None:
    """One more is refused and leaves nothing; it is taken once there is room."""
    first = await worked.order("slow")
    await worked.waiting()
    second, third = await worked.order("fine"), await worked.order("fine", name="third")
    with pytest.raises(TooManyJobs) as caught:
        await worked.order("fine", name="fourth")
    assert caught.value.retry_after
    assert [job.id for job in await worked.desk.jobs()] == [third.id, second.id, first.id]
    assert len(worked.runs) == 1
    await worked.desk.cancel(first.id)
    assert (await worked.ended(third)).state is JobState.SUCCEEDED
    assert [run.split()[1] for run in worked.runs] == ["--name=slow", "--name=fine", "--name=third"]


async def test_no_more_wait_than_may_when_many_come_at_once(worked: Worked) -> None:
    """Each is taken or refused."""
    await worked.order("slow")
    await worked.waiting()
    orders = [worked.order("fine", name=f"at-once-{number}") for number in range(5)]
    answers = await asyncio.gather(*orders, return_exceptions=True)
    assert [type(answer) for answer in answers].count(TooManyJobs) == 3
    assert [job.state for job in await worked.desk.jobs()].count(JobState.QUEUED) == 2


async def test_the_first_is_carried_out_first_whatever_the_clock_says(
    worked: Worked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may stand still, or be set back."""
    slow = await worked.order("slow")
    await worked.waiting()
    monkeypatch.setattr("argosy.server.jobs.desk.time", SimpleNamespace(time=lambda: 1.0))
    jobs = [slow, await worked.order("fine", name="first"), await worked.order("fine", name="second")]
    assert [job.id for job in await worked.desk.jobs()] == [job.id for job in reversed(jobs)]
    await worked.desk.cancel(slow.id)
    await worked.ended(jobs[-1])
    assert [run.split()[1] for run in worked.runs] == ["--name=slow", "--name=first", "--name=second"]


async def test_a_waiting_job_is_cancelled_without_having_run(worked: Worked) -> None:
    """And once more changes nothing."""
    first = await worked.order("slow")
    await worked.waiting()
    second = await worked.order("fine")
    assert (await worked.desk.cancel(second.id)).state is JobState.CANCELLED
    await worked.desk.cancel(first.id)
    await worked.ended(first)
    assert await worked.desk.cancel(second.id) == await worked.desk.job(second.id)
    assert len(worked.runs) == 1


async def test_a_job_that_is_just_beginning_is_cancelled(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it has a process: it gets none."""
    first, second = await worked.order("slow"), await worked.order("fine")
    await worked.waiting()
    may_check, check = threading.Event(), Intake.check

    def later(intake: Intake, request: Mapping[str, Any], *, again: bool = False) -> Work:
        assert may_check.wait(30)
        return check(intake, request, again=again)

    monkeypatch.setattr(Intake, "check", later)
    await worked.desk.cancel(first.id)
    while (await worked.desk.job(second.id)).state is JobState.QUEUED:
        await asyncio.sleep(0.01)
    assert (await worked.desk.cancel(second.id)).cancelling
    may_check.set()
    assert (await worked.ended(second)).state is JobState.CANCELLED
    assert len(worked.runs) == 1


@pytest.mark.parametrize("name", ["slow", "stubborn"])
async def test_a_running_job_is_ended_with_its_process(worked: Worked, name: str) -> None:
    """Also one that does not listen to TERM."""
    job = await worked.order(name)
    process = psutil.Process(await worked.waiting())
    asked = await worked.desk.cancel(job.id)
    assert (asked.state, asked.cancelling) == (JobState.RUNNING, True)
    assert (await worked.desk.cancel(job.id)).cancelling
    assert (await worked.ended(job)).state is JobState.CANCELLED
    assert not process.is_running()


async def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """It has failed, and says that it was late."""
    worked = Worked(tmp_path, longest=0.3)
    await worked.desk.start()
    done = await worked.ended(await worked.order("slow"))
    await worked.desk.stop()
    assert done.problem is not None
    assert done.problem.code == "deadline_exceeded"


async def test_the_oldest_ended_jobs_are_forgotten(worked: Worked) -> None:
    """With their folders; no more are kept than may be."""
    jobs = [await worked.ended(await worked.order("fine", replace=True)) for _ in range(3)]
    while len(await worked.desk.jobs()) > 2:
        await asyncio.sleep(0.01)
    assert [job.id for job in await worked.desk.jobs()] == [jobs[2].id, jobs[1].id]
    with pytest.raises(NotFound, match="newest 2"):
        await worked.desk.job(jobs[0].id)
    assert not (worked.root / "cache/jobs/8000" / jobs[0].id).exists()


async def test_jobs_that_never_ran_are_forgotten_too(worked: Worked) -> None:
    """Orders that are taken back at once do not fill the disk while a long job runs."""
    slow = await worked.order("slow")
    await worked.waiting()
    ended = []
    for number in range(4):
        job = await worked.order("fine", name=f"never-{number}")
        ended.append((await worked.desk.cancel(job.id)).id)
    kept = [slow.id, *ended[2:]]
    assert [job.id for job in reversed(await worked.desk.jobs())] == kept
    assert sorted(path.name for path in (worked.root / "cache/jobs/8000").iterdir()) == [*kept, "lock"]


async def test_a_job_that_was_under_way_goes_on_when_the_server_is_back(worked: Worked) -> None:
    """A server that was told to leave ends its process; the next one takes up what it finished."""
    job, waiting = await worked.order("slow"), await worked.order("fine")
    process = psutil.Process(await worked.waiting())
    await worked.desk.stop()
    assert not process.is_running()
    worked.desk = worked.another()
    await worked.desk.start()
    await worked.waiting()
    again = await worked.desk.job(job.id)
    assert (again.state, again.interruptions) == (JobState.RUNNING, 0)
    assert "--resume" not in worked.runs[0]
    assert "--resume" in worked.runs[1]
    await worked.desk.cancel(job.id)
    assert (await worked.ended(waiting)).state is JobState.SUCCEEDED


async def test_a_job_is_taken_up_once_after_a_kill(worked: Worked) -> None:
    """Its record says that it ran; a server that was killed left nobody who would say more."""
    job = await worked.order("slow")
    await worked.waiting()
    record = await worked.desk.job(job.id)
    await worked.desk.stop()
    for interruptions, state in ((0, JobState.RUNNING), (1, JobState.FAILED)):
        store = JobStore(worked.root / "cache" / "jobs" / "8000")
        store.open()
        store.save(replace(record, interruptions=interruptions))
        store.close()
        worked.desk = worked.another()
        await worked.desk.start()
        if state is JobState.RUNNING:
            await worked.waiting()
        found = await worked.desk.job(job.id)
        assert (found.state, found.interruptions) == (state, 1)
        await worked.desk.stop()
    assert found.problem is not None
    assert found.problem.code == "interrupted"


async def test_what_earlier_jobs_made_is_known_again(worked: Worked) -> None:
    """An entry outside of the model stores is found by nobody else."""
    await worked.ended(await worked.order("fine"))
    await worked.desk.stop()
    worked.taken.clear()
    worked.desk = worked.another()
    await worked.desk.start()
    assert worked.taken == [worked.root / "store" / "fine"]


async def test_what_cannot_be_carried_out_leaves_nothing(worked: Worked) -> None:
    """No record and no folder of a job."""
    with pytest.raises(InvalidRequest):
        await worked.desk.submit({"kind": "convert", "model": "/etc/passwd"})
    assert await worked.desk.jobs() == []
    assert [path.name for path in (worked.root / "cache/jobs/8000").iterdir()] == ["lock"]


async def test_a_job_that_cannot_be_written_down_is_not_taken(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: 503, and nothing runs."""

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    await worked.desk.cancel((await worked.order("slow")).id)
    before = await worked.desk.jobs()
    monkeypatch.setattr("argosy.server.jobs.store.os.fsync", full)
    with pytest.raises(Unavailable, match="full"):
        await worked.order("fine")
    assert [job.id for job in await worked.desk.jobs()] == [job.id for job in before]


async def test_a_job_that_was_refused_is_not_carried_out_later(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record had reached the disk, which failed right after."""

    def fail(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("argosy.server.jobs.store._flush", fail)
    with pytest.raises(Unavailable, match="Input/output error"):
        await worked.order("fine")
    assert [path.name for path in (worked.root / "cache/jobs/8000").iterdir()] == ["lock"]
    assert worked.runs == []


async def test_readers_are_told_when_the_server_goes_away(worked: Worked) -> None:
    """They do not wait for what cannot come."""
    job = await worked.order("slow")
    await worked.waiting()
    events, _ = await worked.desk.events(job.id, 0, 0)
    # What the end itself adds comes first.
    reading = asyncio.create_task(worked.desk.events(job.id, events[-1].number + 1, 30))
    await asyncio.sleep(0)
    await worked.desk.stop()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(reading, 10)
    with pytest.raises(Unavailable):
        await worked.desk.jobs()


async def test_two_servers_do_not_share_jobs(worked: Worked) -> None:
    """The second serves all the same, and says where to send jobs."""
    await worked.ended(await worked.order("fine"))
    second = worked.another()
    await second.start()
    for asked in (second.jobs(), second.job("0" * 19), second.submit(worked.request("fine"))):
        with pytest.raises(Unavailable, match="Another server"):
            await asked
    await second.stop()
    assert [plain(job) for job in await worked.desk.jobs()] == list(await worked.desk.jobs())
