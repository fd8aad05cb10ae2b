"""Carries out one job, from its start to its final state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argosy.core.errors import ArgosyError
from argosy.server.jobs.intake import Intake, Work
from argosy.server.jobs.job import (
    Job,
    JobProblem,
    JobState,
    JobStep,
    advanced,
    begun,
    cancelled,
    failed,
    succeeded,
)
from argosy.server.jobs.ledger import Ledger, now
from argosy.server.jobs.outcome import Outcome, Pages, outcome
from argosy.server.jobs.process import ChildOptions, Ending, run_child

log = logging.getLogger(__name__)

_DOWNLOAD = ("source", "file", "bytes", "total", "message")
_LONGEST_MESSAGE = 1000
_LONGEST_PROBLEM = 8000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What jobs act on beside their own folder.

    Attributes:
        page: where the command writes its page, by the job and its folder.
        load: serves a model, or its newest form.
        take: makes the server know an entry that a job has made; raises when it is none.
    """

    page: Callable[[Job, Path], Path]
    load: Callable[[str], Awaitable[None]]
    take: Callable[[Path], None]


class Runner:
    """Runs one job at a time.

    Args:
        ledger: where jobs are kept.
        intake: checks requests.
        child: how commands are run.
        surroundings: what jobs act on.
    """

    def __init__(self, ledger: Ledger, intake: Intake, child: ChildOptions, surroundings: Surroundings) -> None:
        self._ledger = ledger
        self._intake = intake
        self._child = child
        self._surroundings = surroundings
        self._commands: dict[str, asyncio.Task[Ending]] = {}

    async def run(self, job: Job) -> None:
        """Do it; afterwards its state is final.

        When this is cancelled, because the server goes away, the job's process is gone and the job queued again.
        """
        try:
            await self._run(job)
        except asyncio.CancelledError:
            await self._leave(job.id)
            raise
        except ArgosyError as error:
            await self._fail(job.id, JobProblem(error.code, error.message))
        except Exception:
            log.exception("The job %s failed unexpectedly.", job.id)
            await self._fail(job.id, JobProblem("internal_error", "The server failed on it; its log has the cause."))

    def end(self, identifier: str) -> None:
        """End the process of a job, if it has one; one that has ended by itself counts as what it came to."""
        if (command := self._commands.get(identifier)) is not None:
            command.cancel()

    def take(self, directory: Path) -> None:
        """Have the server know an entry that a job has made."""
        try:
            self._surroundings.take(directory)
        except (ArgosyError, OSError) as error:
            log.info("The entry %s that a job made is not there any more: %s", directory, error)

    async def _run(self, job: Job) -> None:
        again = bool(job.started)
        await self._ledger.change(begun(job, now()))
        work = await asyncio.to_thread(self._intake.check, job.request, again=again)
        folder = self._ledger.folder(job.id)
        pages = Pages(self._surroundings.page(job, folder), folder)
        told: list[JobProblem] = []
        ending = await self._ending(job, work.arguments(job.kind, folder, resume=again), told)
        if ending is None:
            await self._ledger.change(cancelled(self._now(job.id), now()))
            return
        found = await asyncio.to_thread(outcome, job.kind, job.name, folder, ending, told[-1] if told else None)
        has_report = await asyncio.to_thread(pages.keep)
        await self._conclude(replace(self._now(job.id), has_report=has_report), work, found)

    async def _ending(self, job: Job, arguments: tuple[str, ...], told: list[JobProblem]) -> Ending | None:
        """How the job's process ended; None when that was ordered."""
        if self._now(job.id).cancelling:
            return None

        async def hear(message: Mapping[str, Any]) -> None:
            await self._hear(job.id, message, told)

        folder = self._ledger.folder(job.id)
        command = asyncio.create_task(run_child(self._child, arguments, folder, hear), name=f"job {job.id}")
        self._commands[job.id] = command
        try:
            await asyncio.wait({command})
            return None if command.cancelled() else command.result()
        except asyncio.CancelledError:
            command.cancel()
            await asyncio.gather(command, return_exceptions=True)
            raise
        finally:
            del self._commands[job.id]

    async def _conclude(self, job: Job, work: Work, found: Outcome) -> None:
        if found.problem is not None:
            await self._ledger.change(failed(job, now(), found.problem, found.result))
            return
        result = dict(found.result or {})
        if work.directory is not None:
            result["directory"] = str(work.directory)
            await asyncio.to_thread(self.take, work.directory)
        if work.load:
            result |= await self._load(work.name)
        await self._ledger.change(succeeded(job, now(), result))

    async def _load(self, name: str) -> dict[str, Any]:
        """Serve what was made; that it cannot be served takes nothing from what was made."""
        try:
            await self._surroundings.load(name)
        except ArgosyError as error:
            return {"loaded": False, "load_problem": error.message}
        return {"loaded": True, "load_problem": ""}

    async def _hear(self, identifier: str, message: Mapping[str, Any], told: list[JobProblem]) -> None:
        """Note what the command tells."""
        match message["event"]:
            case "step":
                step = _step(message)
                job = advanced(self._now(identifier), step, int(message.get("total") or 0))
                data = {"step": step.name, "phase": step.phase, "seconds": step.seconds, "message": step.message}
                self._ledger.tell(identifier, "step", {**data, "done": job.done, "total": job.total})
                await self._ledger.change(job, silent=True)
            case "download":
                self._ledger.tell(identifier, "download", {key: _short(message.get(key)) for key in _DOWNLOAD})
            case "error":
                told.append(JobProblem(str(message.get("code"))[:64], str(message.get("message"))[:_LONGEST_PROBLEM]))

    async def _fail(self, identifier: str, problem: JobProblem) -> None:
        job = self._now(identifier)
        if not job.state.final:
            await self._ledger.change(failed(job, now(), problem))

    async def _leave(self, identifier: str) -> None:
        job = self._now(identifier)
        if job.state is JobState.RUNNING:
            left = cancelled(job, now()) if job.cancelling else replace(job, state=JobState.QUEUED)
            await self._ledger.change(left)

    def _now(self, identifier: str) -> Job:
        job = self._ledger.get(identifier)
        if job is None:
            raise RuntimeError(f"The job {identifier} was forgotten while it ran.")
        return job


def _step(message: Mapping[str, Any]) -> JobStep:
    return JobStep(
        name=str(_short(message.get("step"))),
        phase=str(_short(message.get("phase"))),
        seconds=float(message.get("seconds") or 0.0),
        message=str(_short(message.get("message") or "")),
    )


def _short(value: object) -> object:
    return value[:_LONGEST_MESSAGE] if isinstance(value, str) else value
