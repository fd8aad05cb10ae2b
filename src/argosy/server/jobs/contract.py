"""What the wire sees of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from argosy.server.jobs.job import Job, JobEvent


class Jobs(Protocol):
    """Taking, telling and ending jobs. Safe for concurrent use from one event loop.

    Whether a caller may use it is the wire's to check first, by `Principal.operator`.
    """

    async def submit(self, request: Mapping[str, Any], by: str = "") -> Job:
        """Take a job in; once this returns it is carried out, whatever happens.

        Args:
            request: `kind`, `model`, and the words of `argosy.server.jobs.words`; types are right.
            by: name of the key that orders it.

        Raises:
            InvalidRequest: it cannot be carried out; `param` names the field.
            TooManyJobs: as many wait as may.
            Unavailable: jobs cannot be taken now, or not be written down.
        """
        ...

    async def jobs(self) -> Sequence[Job]:
        """Every job that is remembered, newest first, without steps and result.

        Raises:
            Unavailable: their owner cannot be reached.
        """
        ...

    async def job(self, identifier: str) -> Job:
        """One job.

        Raises:
            NotFound: there is none of that id, or it was forgotten.
            Unavailable: their owner cannot be reached.
        """
        ...

    async def events(self, identifier: str, after: int, seconds: float) -> tuple[Sequence[JobEvent], bool]:
        """What happened to a job after the event of that number, once there is something or `seconds` have passed.

        Returns:
            The events, and whether more may happen.

        Raises:
            NotFound, Unavailable: as `job`; also when the server goes away.
        """
        ...

    async def cancel(self, identifier: str) -> Job:
        """End a job; one that is over stays as it is. Its process may take some seconds to end.

        Raises:
            NotFound, Unavailable: as `job`.
        """
        ...

    async def report(self, identifier: str) -> Path:
        """The page about a job, HTML.

        Raises:
            NotFound: as `job`, or there is no page.
            Unavailable: as `job`.
        """
        ...
