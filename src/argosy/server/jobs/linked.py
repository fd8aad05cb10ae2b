"""Both ends of the jobs' part of the link: a gateway worker asks, the supervisor, which owns the jobs, answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from argosy.core.errors import DeadlineExceeded, Unavailable
from argosy.server.control.link import Order, StatusFollower
from argosy.server.jobs.contract import Jobs
from argosy.server.jobs.desk import JobDesk
from argosy.server.jobs.job import Job, JobEvent

_SECONDS = 30.0
"""That an order may take beyond what it waits for: it checks files and writes a record."""
_MOST_EVENTS = 500
"""In one answer; the next asks for the rest."""


class JobOffice:
    """The supervisor's end.

    Args:
        desk: owns the jobs.
    """

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk

    async def start(self) -> None:
        """Take up what an earlier server left, and carry jobs out from now on."""
        await self._desk.start()

    async def stop(self) -> None:
        """End the job under way; idempotent."""
        await self._desk.stop()

    def orders(self) -> Mapping[str, Order]:
        """What workers may ask for, by verb."""
        return {
            "jobs.submit": self._submit,
            "jobs.list": self._list,
            "jobs.show": self._show,
            "jobs.events": self._events,
            "jobs.cancel": self._cancel,
            "jobs.report": self._report,
        }

    async def _submit(self, order: Mapping[str, Any]) -> Any:
        return (await self._desk.submit(order["request"], order["by"])).to_mapping()

    async def _list(self, order: Mapping[str, Any]) -> Any:  # noqa: ARG002 - every order has the same form
        return [job.to_mapping() for job in await self._desk.jobs()]

    async def _show(self, order: Mapping[str, Any]) -> Any:
        return (await self._desk.job(order["id"])).to_mapping()

    async def _events(self, order: Mapping[str, Any]) -> Any:
        found, more = await self._desk.events(order["id"], order["after"], order["within"])
        taken = [event.to_mapping() for event in found[:_MOST_EVENTS]]
        return {"events": taken, "more": more or len(found) > _MOST_EVENTS}

    async def _cancel(self, order: Mapping[str, Any]) -> Any:
        return (await self._desk.cancel(order["id"])).to_mapping()

    async def _report(self, order: Mapping[str, Any]) -> Any:
        return str(await self._desk.report(order["id"]))


class LinkedJobs(Jobs):
    """`Jobs` in a gateway worker."""

    def __init__(self, follower: StatusFollower) -> None:
        self._follower = follower

    async def submit(self, request: Mapping[str, Any], by: str = "") -> Job:
        """Take a job in."""
        return Job.from_mapping(await self._ask("jobs.submit", request=dict(request), by=by))

    async def jobs(self) -> Sequence[Job]:
        """Every job that is remembered, newest first, without steps and result."""
        return [Job.from_mapping(job) for job in await self._ask("jobs.list")]

    async def job(self, identifier: str) -> Job:
        """One job."""
        return Job.from_mapping(await self._ask("jobs.show", id=identifier))

    async def events(self, identifier: str, after: int, seconds: float) -> tuple[Sequence[JobEvent], bool]:
        """What happened to a job after the event of that number, and whether more may happen."""
        answer = await self._ask("jobs.events", wait=seconds, id=identifier, after=after, within=seconds)
        return [JobEvent(**event) for event in answer["events"]], bool(answer["more"])

    async def cancel(self, identifier: str) -> Job:
        """End a job."""
        return Job.from_mapping(await self._ask("jobs.cancel", id=identifier))

    async def report(self, identifier: str) -> Path:
        """The page about a job."""
        return Path(await self._ask("jobs.report", id=identifier))

    async def _ask(self, verb: str, wait: float = 0.0, **details: Any) -> Any:
        try:
            return await self._follower.order(verb, wait + _SECONDS, **details)
        except DeadlineExceeded:
            raise Unavailable(
                f"The server did not answer within {_SECONDS:g} s; a job that was sent may have been taken: look at "
                "GET /api/v1/jobs.",
                retry_after=1.0,
            ) from None
