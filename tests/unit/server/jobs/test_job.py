"""Which states follow which, and that a job on disk is the same job."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from argosy.server.jobs.job import (
    Job,
    JobKind,
    JobProblem,
    JobState,
    JobStep,
    advanced,
    begun,
    cancelled,
    failed,
    interrupted,
    succeeded,
)

NOW = "2026-11-20T00:00:00.000+00:00"
JOB = Job("0" * 19, JobKind.CONVERT, {"kind": "convert", "model": "org/name"}, "name", NOW)
MOVES: dict[JobState, Callable[[Job], Job]] = {
    JobState.RUNNING: lambda job: begun(job, NOW),
    JobState.SUCCEEDED: lambda job: succeeded(job, NOW, {}),
    JobState.FAILED: lambda job: failed(job, NOW, JobProblem("x", "y")),
    JobState.CANCELLED: lambda job: cancelled(job, NOW),
}
ALLOWED = {
    (JobState.QUEUED, JobState.RUNNING),
    (JobState.QUEUED, JobState.FAILED),
    (JobState.QUEUED, JobState.CANCELLED),
    (JobState.RUNNING, JobState.SUCCEEDED),
    (JobState.RUNNING, JobState.FAILED),
    (JobState.RUNNING, JobState.CANCELLED),
}


@pytest.mark.parametrize(("before", "after"), [*itertools.product(JobState, MOVES)])
def test_a_job_moves_as_the_drawing_says(before: JobState, after: JobState) -> None:
    """Every other move is a defect of ours, and raises; a final state is never left."""
    job = replace(JOB, state=before)
    if (before, after) in ALLOWED:
        assert MOVES[after](job).state is after
        return
    with pytest.raises(ValueError, match=f"{before} cannot become {after}"):
        MOVES[after](job)


def test_a_job_is_the_same_after_it_was_written_down() -> None:
    """With steps, result and problem."""
    job = failed(
        advanced(begun(JOB, NOW), JobStep("load", "failed", 1.5, "no"), 4), NOW, JobProblem("a", "b"), {"c": 1}
    )
    assert Job.from_mapping(json.loads(json.dumps(job.to_mapping()))) == job


def test_a_step_has_its_newest_phase() -> None:
    """In the order in which steps began; what is over is counted."""
    job = begun(JOB, NOW)
    for step in (JobStep("load", "started"), JobStep("export", "started"), JobStep("load", "finished", 2.0)):
        job = advanced(job, step, 4)
    assert [(step.name, step.phase) for step in job.steps] == [("load", "finished"), ("export", "started")]
    assert (job.done, job.total) == (1, 4)


def test_of_very_many_steps_the_newest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are counted, until the job begins anew."""
    monkeypatch.setattr("argosy.server.jobs.job.MOST_STEPS", 2)
    job = begun(JOB, NOW)
    for number in range(5):
        job = advanced(job, JobStep(f"trial-{number}", "finished"), 9)
    assert ([step.name for step in job.steps], job.done) == (["trial-3", "trial-4"], 5)
    assert begun(replace(job, state=JobState.QUEUED), NOW).done == 0


def test_an_interrupted_job_is_queued_again_once() -> None:
    """The second time it fails, and says how its finished steps can be used."""
    first = interrupted(begun(JOB, NOW), NOW)
    assert (first.state, first.interruptions, first.started) == (JobState.QUEUED, 1, NOW)
    second = interrupted(begun(first, "later"), NOW)
    assert second.state is JobState.FAILED
    assert second.started == NOW
    assert second.problem is not None
    assert second.problem.code == "interrupted"
    assert "resume" in second.problem.message


def test_an_order_to_end_that_came_too_late_is_forgotten() -> None:
    """The job did what it was to do."""
    done = succeeded(replace(begun(JOB, NOW), cancelling=True), NOW, {})
    assert (done.state, done.cancelling) == (JobState.SUCCEEDED, False)


def test_an_interrupted_job_whose_end_was_ordered_is_over() -> None:
    """It is not begun again."""
    assert interrupted(replace(begun(JOB, NOW), cancelling=True), NOW).state is JobState.CANCELLED
