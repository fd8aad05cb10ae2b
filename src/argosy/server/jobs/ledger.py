"""The jobs of one server in memory and on disk, and what happened to each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argosy.core.errors import ConfigurationError
from argosy.server.jobs.events import EventLog
from argosy.server.jobs.job import Job
from argosy.server.jobs.store import JobStore
from argosy.server.jobs.uninterrupted import uninterrupted

log = logging.getLogger(__name__)

_EVENTS = "events.jsonl"


class Ledger:
    """Every job that is remembered. For one event loop.

    Args:
        store: the records; owned from `open` on.
        kept: ended jobs that are remembered; the oldest are forgotten.
    """

    def __init__(self, store: JobStore, kept: int) -> None:
        self._store = store
        self._kept = kept
        self._jobs: dict[str, Job] = {}
        self._logs: dict[str, EventLog] = {}
        self._writing = asyncio.Lock()

    @property
    def exists(self) -> bool:
        """Whether there are, or were, any jobs."""
        return self._store.exists

    @property
    def is_open(self) -> bool:
        """Whether this process owns them."""
        return self._store.is_open

    async def open(self) -> Sequence[Job]:
        """Own the jobs; returns those that an earlier server left.

        Raises:
            Unavailable: another server owns them, or their folder cannot be written.
        """
        await asyncio.to_thread(self._store.open)
        try:
            self._jobs = {job.id: job for job in await asyncio.to_thread(self._store.load)}
        except BaseException:
            self._store.close()
            raise
        return list(self._jobs.values())

    def close(self) -> None:
        """Own them no longer, and let everybody who waits look again; idempotent."""
        for events in self._logs.values():
            events.wake()
        self._store.close()

    def all(self) -> Sequence[Job]:
        """Every job, newest first."""
        return [self._jobs[identifier] for identifier in sorted(self._jobs, reverse=True)]

    def get(self, identifier: str) -> Job | None:
        """One job; None when there is none of that id, or it was forgotten."""
        return self._jobs.get(identifier)

    def folder(self, identifier: str) -> Path:
        """The folder of one job."""
        return self._store.folder(identifier)

    async def add(self, job: Job) -> None:
        """Remember a new job; it is on disk once this returns.

        Raises:
            StorageFull, ConfigurationError: it cannot be written, and is not remembered.
        """
        await uninterrupted(self._add(job))

    async def change(self, job: Job, *, silent: bool = False) -> None:
        """Have a job be as it is now, first on disk, then to everybody; a disk that takes no more is told in the log.

        Args:
            job: its next form.
            silent: tell nobody: its state is the same.
        """
        self._jobs[job.id] = job
        await uninterrupted(self._change(job, silent=silent))

    def tell(self, identifier: str, kind: str, data: Mapping[str, Any]) -> None:
        """Note an event of a job that is under way."""
        self._log(identifier).add(kind, now(), data)

    async def events(self, job: Job) -> EventLog:
        """What happened to a job; read from disk when nothing more can happen."""
        if job.state.final and not self.is_live(job.id):
            return await asyncio.to_thread(EventLog, self._store.folder(job.id) / _EVENTS)
        return self._log(job.id)

    def is_live(self, identifier: str) -> bool:
        """Whether more may happen to a job whose events were asked for."""
        return identifier in self._logs

    async def forget_oldest(self) -> None:
        """Remember no more ended jobs than may be kept."""
        # What is still being told of is not forgotten under it.
        ended = sorted(job.id for job in self._jobs.values() if job.state.final and not self.is_live(job.id))
        oldest = ended[: max(0, len(ended) - self._kept)]
        for identifier in oldest:
            del self._jobs[identifier]
        async with self._writing:
            for identifier in oldest:
                await asyncio.to_thread(self._store.remove, identifier)

    async def _add(self, job: Job) -> None:
        try:
            await asyncio.to_thread(self._store.save, job)
        except ConfigurationError:
            # It was refused; what may have reached the disk must not be carried out by the next server.
            await asyncio.to_thread(self._store.remove, job.id)
            raise
        self._jobs[job.id] = job
        self._note(job)

    async def _change(self, job: Job, *, silent: bool) -> None:
        try:
            await self._save(job)
        except ConfigurationError as error:
            log.warning("The job %s is %s, which could not be written down: %s", job.id, job.state, error.message)
        if not silent:
            self._note(job)

    async def _save(self, job: Job) -> None:
        """Write the newest form of a job: of two that were written at once the older could come last."""
        async with self._writing:
            if (newest := self._jobs.get(job.id)) is not None:
                await asyncio.to_thread(self._store.save, newest)

    def _note(self, job: Job) -> None:
        problem = None if job.problem is None else {"code": job.problem.code, "message": job.problem.message}
        self.tell(job.id, "state", {"state": job.state.value, "error": problem})
        if job.state.final:
            # Whoever waits at it holds it; the next one reads the file.
            del self._logs[job.id]

    def _log(self, identifier: str) -> EventLog:
        if identifier not in self._logs:
            self._logs[identifier] = EventLog(self._store.folder(identifier) / _EVENTS)
        return self._logs[identifier]


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
