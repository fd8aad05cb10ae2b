"""Takes jobs in, has them carried out one after another, and tells how they stand. One process owns them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argosy.core.errors import ConfigurationError, NotFound, TooManyJobs, Unavailable
from argosy.server.jobs.intake import Intake
from argosy.server.jobs.job import Job, JobEvent, JobKind, JobState, cancelled, interrupted
from argosy.server.jobs.ledger import Ledger, now
from argosy.server.jobs.outcome import REPORT
from argosy.server.jobs.process import ChildOptions
from argosy.server.jobs.runner import Runner, Surroundings
from argosy.server.jobs.store import ID, JobStore

log = logging.getLogger(__name__)

_GOING = "This server takes no jobs now: it is starting or going away. Try again shortly."
_RETRY_SECONDS = 30.0
_TIME_DIGITS = 11
"""Hexadecimal digits of an id that tell when it was made."""


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """Bounds.

    Attributes:
        waiting: most jobs that may wait.
        kept: ended jobs that are remembered; the oldest are forgotten.
    """

    waiting: int = 16
    kept: int = 100


class JobDesk:
    """Owns the jobs of a server; see `argosy.server.jobs.contract.Jobs` for what it does.

    Guarantees: a job that was acknowledged is on disk, and reaches a final state once, however this process ends; one
    runs at a time, in a process of its own that does not outlive this one.

    Args:
        store: their records.
        intake: checks requests.
        child: how commands are run.
        surroundings: what they act on.
        options: bounds.
    """

    def __init__(
        self,
        store: JobStore,
        intake: Intake,
        child: ChildOptions,
        surroundings: Surroundings,
        options: DeskOptions | None = None,
    ) -> None:
        self._options = options or DeskOptions()
        self._intake = intake
        self._ledger = Ledger(store, self._options.kept)
        self._runner = Runner(self._ledger, intake, child, surroundings)
        self._wanted = asyncio.Event()
        self._opening = asyncio.Lock()
        self._taking = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Take up what an earlier server left, and carry jobs out from now on."""
        try:
            await self._open_if_any()
        except Unavailable as error:
            # Serving does not depend on it; whoever asks for a job is told.
            log.warning("%s", error.message)
        self._worker = asyncio.create_task(self._work(), name="jobs")

    async def stop(self) -> None:
        """End the job under way, which goes on when the server is back; idempotent."""
        self._stopped = True
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        self._ledger.close()

    async def submit(self, request: Mapping[str, Any], by: str = "") -> Job:
        """Take a job in; once this returns it is carried out, whatever happens."""
        self._check_room()
        await self._open()
        work = await asyncio.to_thread(self._intake.check, request)
        async with self._taking:
            # Others may have come meanwhile.
            self._check_room()
            job = Job(self._new_id(), JobKind(request["kind"]), dict(request), work.name, now(), by)
            try:
                await self._ledger.add(job)
            except ConfigurationError as error:
                raise Unavailable(error.message, retry_after=_RETRY_SECONDS) from None
            finally:
                self._wanted.set()
        return job

    async def jobs(self) -> Sequence[Job]:
        """Every job that is remembered, newest first, without steps and result."""
        await self._open_if_any()
        return [replace(job, steps=(), result=None) for job in self._ledger.all()]

    async def job(self, identifier: str) -> Job:
        """One job."""
        await self._open_if_any()
        found = self._ledger.get(identifier)
        if found is None:
            shown = identifier if ID.fullmatch(identifier) else "of that id"
            raise NotFound(
                f"There is no job {shown}. GET /api/v1/jobs lists those there are; of ended ones the newest "
                f"{self._options.kept} are kept.",
                param="id",
            )
        return found

    async def events(self, identifier: str, after: int, seconds: float) -> tuple[Sequence[JobEvent], bool]:
        """What happened to a job after the event of that number, and whether more may happen."""
        job = await self.job(identifier)
        log_of_it = await self._ledger.events(job)
        found = await log_of_it.wait(after, seconds if self._ledger.is_live(identifier) else 0)
        if not found and self._worker is None:
            raise Unavailable(_GOING, retry_after=1.0)
        return found, self._ledger.is_live(identifier)

    async def cancel(self, identifier: str) -> Job:
        """End a job; one that is over stays as it is."""
        job = await self.job(identifier)
        if job.state is JobState.QUEUED:
            job = cancelled(job, now())
            await self._ledger.change(job)
            await self._ledger.forget_oldest()
        elif job.state is JobState.RUNNING and not job.cancelling:
            await self._ledger.change(replace(job, cancelling=True), silent=True)
            self._runner.end(identifier)
        return self._ledger.get(identifier) or job

    async def report(self, identifier: str) -> Path:
        """The page about a job."""
        job = await self.job(identifier)
        if not job.has_report:
            raise NotFound(f"The job {identifier} is {job.state} and has no report.", param="id")
        return self._ledger.folder(identifier) / REPORT

    async def _open_if_any(self) -> None:
        if self._ledger.exists:
            await self._open()

    async def _open(self) -> None:
        async with self._opening:
            if self._ledger.is_open:
                return
            if self._stopped:
                raise Unavailable(_GOING, retry_after=1.0)
            for job in await self._ledger.open():
                await self._take_up(job)
            await self._ledger.forget_oldest()
            self._wanted.set()

    async def _take_up(self, job: Job) -> None:
        if job.state is JobState.RUNNING:
            log.warning("The job %s was interrupted by the end of the server.", job.id)
            await self._ledger.change(interrupted(job, now()))
        elif job.state is JobState.SUCCEEDED and isinstance(made := (job.result or {}).get("directory"), str):
            await asyncio.to_thread(self._runner.take, Path(made))

    def _check_room(self) -> None:
        if self._worker is None:
            raise Unavailable(_GOING, retry_after=1.0)
        waiting = len(self._waiting())
        if waiting >= self._options.waiting:
            raise TooManyJobs(
                f"{waiting} jobs wait, as many as may. Send this one later, or cancel one.", retry_after=_RETRY_SECONDS
            )

    def _waiting(self) -> list[Job]:
        """Those that wait, the first first."""
        return [job for job in reversed(self._ledger.all()) if job.state is JobState.QUEUED]

    async def _work(self) -> None:
        while True:
            self._wanted.clear()
            for job in self._waiting()[:1]:
                await self._runner.run(job)
                await self._ledger.forget_oldest()
                self._wanted.set()
            await self._wanted.wait()

    def _new_id(self) -> str:
        """Begins with the time, milliseconds; sorts after every other one, whatever became of the clock."""
        newest = max((int(job.id[:_TIME_DIGITS], 16) for job in self._ledger.all()), default=-1)
        return f"{max(int(time.time() * 1000), newest + 1):0{_TIME_DIGITS}x}{secrets.token_hex(4)}"
