"""One job as a value: what was asked, how far it is, what came of it, and which states may follow one another.

    queued ──► running ──► succeeded
      │  ▲        │  │───► failed
      │  └────────┘  └───► cancelled
      └──────────────────► failed, cancelled

A running job is queued again when the server ends under it; see `interrupted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec

MOST_INTERRUPTIONS = 1
"""A job that was running each time a server died may be what it died of."""
MOST_STEPS = 500
"""That are told of one job, the newest: a search may take thousands of measurements."""


class JobKind(StrEnum):
    """What is done; also the verb of the command line that does it."""

    CONVERT = "convert"
    ANALYZE = "analyze"


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


_AFTER: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
}


@dataclass(frozen=True, slots=True)
class JobStep:
    """One step of the work.

    Attributes:
        phase: `started`, `finished`, `reused`, `failed`, `rejected`, or what else the command calls it.
        seconds: wall time it took; 0 while it runs.
        message: what went wrong, or a figure worth showing.
    """

    name: str
    phase: str
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobProblem:
    """Why a job failed: the code of an error of ours, and a sentence with the remedy."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        id: 19 hexadecimal digits; later jobs sort after earlier ones.
        request: what was asked, in the words of the request.
        name: of the model store entry it makes, or of the model it measures.
        created, started, ended: ISO 8601 in UTC; empty before it happened.
        submitted_by: name of the key it was ordered with.
        steps: each with its newest phase, in the order they began; of very many the newest.
        earlier: steps that are over and told no more.
        total: steps in all as far as is known; 0 when it is not.
        result: what came of it; None before the end, and when nothing did.
        cancelling: whether its end was ordered.
        interruptions: how often a server ended while it ran.
        has_report: whether there is a page about it.
    """

    id: str
    kind: JobKind
    request: Mapping[str, Any]
    name: str
    created: str
    submitted_by: str = ""
    state: JobState = JobState.QUEUED
    started: str = ""
    ended: str = ""
    steps: tuple[JobStep, ...] = ()
    earlier: int = 0
    total: int = 0
    result: Mapping[str, Any] | None = None
    problem: JobProblem | None = None
    cancelling: bool = False
    interruptions: int = 0
    has_report: bool = False

    @property
    def done(self) -> int:
        """Steps that are over."""
        return self.earlier + sum(step.phase != "started" for step in self.steps)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Job:
        """The inverse of `to_mapping`.

        Raises:
            ValueError: it is not one.
        """
        return msgspec.convert(data, cls)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job.

    Attributes:
        number: from 1, without gaps; what `Last-Event-ID` names.
        type: `state`, `step` or `download`.
        time: ISO 8601 in UTC.
    """

    number: int
    type: str
    time: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def begun(job: Job, now: str) -> Job:
    """The job as it starts, again or for the first time; steps of an interrupted run are told anew."""
    return replace(_moved(job, JobState.RUNNING), started=job.started or now, steps=(), earlier=0, total=0)


def advanced(job: Job, step: JobStep, total: int) -> Job:
    """The job after a step changed its phase."""
    known = tuple(({each.name: each for each in job.steps} | {step.name: step}).values())
    surplus = max(0, len(known) - MOST_STEPS)
    return replace(job, steps=known[surplus:], earlier=job.earlier + surplus, total=total)


def succeeded(job: Job, now: str, result: Mapping[str, Any]) -> Job:
    """The job that did what it was to do."""
    return replace(_moved(job, JobState.SUCCEEDED), ended=now, result=result)


def failed(job: Job, now: str, problem: JobProblem, result: Mapping[str, Any] | None = None) -> Job:
    """The job that could not do it."""
    return replace(_moved(job, JobState.FAILED), ended=now, problem=problem, result=result)


def cancelled(job: Job, now: str) -> Job:
    """The job that somebody ended."""
    return replace(_moved(job, JobState.CANCELLED), ended=now)


def interrupted(job: Job, now: str) -> Job:
    """The job whose server ended while it ran: queued again, once; its finished steps are kept."""
    if job.cancelling:
        return cancelled(job, now)
    if job.interruptions >= MOST_INTERRUPTIONS:
        kept = " with resume; finished steps are kept" if job.kind is JobKind.CONVERT else ""
        sentence = "The server ended twice while this job ran, so it is not begun a third time."
        return failed(job, now, JobProblem("interrupted", f"{sentence} Post it again{kept}."))
    return replace(_moved(job, JobState.QUEUED), interruptions=job.interruptions + 1)


def _moved(job: Job, state: JobState) -> Job:
    if state not in _AFTER.get(job.state, frozenset()):
        raise ValueError(f"a job that is {job.state} cannot become {state}")
    # An order to end it that came too late is not worth telling.
    return replace(job, state=state, cancelling=job.cancelling and not state.final)
