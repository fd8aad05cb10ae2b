"""`/api/v1/jobs`: conversions and configuration searches by order of an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import orjson

from argosy.api.http.bodies import BodyReader, FieldFact
from argosy.api.http.events import EventStream
from argosy.api.http.exchange import Exchange
from argosy.api.http.origin import refuse_orders_from_elsewhere
from argosy.api.management.job_messages import (
    AnalyzeResult,
    ConvertResult,
    JobBody,
    JobError,
    JobLinks,
    JobList,
    JobProgress,
    JobReply,
    JobStepReply,
    JobSummary,
)
from argosy.core.errors import InvalidRequest, PermissionDenied, Unavailable
from argosy.server.jobs.contract import Jobs
from argosy.server.jobs.job import Job, JobEvent, JobKind, JobState
from argosy.server.jobs.words import OF_EVERY_JOB, WORDS

PATH = "/api/v1/jobs"

_KNOWN = frozenset({"state"})
_FOLLOW_SECONDS = 10.0
_LONGEST_NUMBER = 12
_LARGEST_REPORT = 32 << 20
_HTML = b"text/html; charset=utf-8"
_NOTES = {
    "model": "what the command takes; a path is whole, and below a folder that jobs may read",
    "load": "serve the converted model, or the one whose config was applied",
    "workspace": "as `2GiB`",
    "memory": "as `8GiB`: of one step (convert), or that the model may take (analyze)",
    "output": "one of the server's model stores",
}

encode = msgspec.json.Encoder().encode


class JobRoutes:
    """Passes orders of operators on to whoever owns the jobs.

    Args:
        jobs: None where no jobs are taken.
    """

    def __init__(self, jobs: Jobs | None) -> None:
        self._jobs = jobs
        self._body = BodyReader(JobBody, notes=_notes())

    def fields(self) -> list[FieldFact]:
        """What becomes of each field of the body."""
        return self._body.fields()

    async def submit(self, exchange: Exchange) -> None:
        """Take a job in: 202, with its address in `Location`."""
        jobs = self._open(exchange)
        refuse_orders_from_elsewhere(exchange)
        body = await exchange.read(self._body)
        job = await jobs.submit(msgspec.to_builtins(body), exchange.principal)
        await exchange.reply(encode(_reply(job)), 202, [(b"location", f"{PATH}/{job.id}".encode())])

    async def list(self, exchange: Exchange) -> None:
        """The jobs that are remembered, newest first; those of some states when the address names them."""
        jobs = self._open(exchange)
        query = exchange.query_params
        if unknown := sorted(set(query.keys()) - _KNOWN):
            exchange.warn(unknown)
        wanted = _states(query.getlist("state"))
        found = [_summary(job) for job in await jobs.jobs() if job.state in wanted]
        await exchange.reply(encode(JobList(found)))

    async def show(self, exchange: Exchange) -> None:
        """One job: how far it is, and what came of it."""
        job = await self._open(exchange).job(exchange.path_params["id"])
        await exchange.reply(encode(_reply(job)))

    async def cancel(self, exchange: Exchange) -> None:
        """End a job; one that is over stays as it is."""
        jobs = self._open(exchange)
        refuse_orders_from_elsewhere(exchange)
        job = await jobs.cancel(exchange.path_params["id"])
        await exchange.reply(encode(_reply(job)))

    async def events(self, exchange: Exchange) -> None:
        """What happens to a job, as server-sent events, from the one after `Last-Event-ID` until the job is over."""
        jobs = self._open(exchange)
        last, identifier = _last_event(exchange), exchange.path_params["id"]
        # Reads nothing; from here on the client's leaving is noticed.
        await exchange.payload()
        found, more = await jobs.events(identifier, last, 0.0)
        async with EventStream(exchange) as stream:
            while found or more:
                if found:
                    last = found[-1].number
                    await stream.send(b"".join(map(_event, found)))
                if not more:
                    break
                found, more = await jobs.events(identifier, last, _FOLLOW_SECONDS)

    async def report(self, exchange: Exchange) -> None:
        """The page about a job that is over."""
        path = await self._open(exchange).report(exchange.path_params["id"])
        try:
            page = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise Unavailable(f"The report cannot be read: {error.strerror}.") from error
        # It is made of figures and names; nothing in it is to be fetched or run from elsewhere.
        headers = [
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
        ]
        await exchange.reply(page[:_LARGEST_REPORT], 200, headers, _HTML)

    def _open(self, exchange: Exchange) -> Jobs:
        """The jobs, for those who may use them.

        Raises:
            PermissionDenied: the caller is no operator.
            Unavailable: no jobs are taken here.
        """
        if not exchange.operator:
            raise PermissionDenied("Only an operator may see, order and end jobs.")
        if self._jobs is None:
            raise Unavailable("This server takes no jobs.")
        return self._jobs


def _notes() -> dict[str, str]:
    """Which kind of job has a word, and what else is to be known of it."""
    notes = {}
    for word in JobBody.__struct_fields__:
        of = [kind.value for kind in JobKind if word in WORDS[kind]]
        only = f"{of[0]} only" if len(of) == 1 and word not in OF_EVERY_JOB else ""
        if note := "; ".join(part for part in (only, _NOTES.get(word, "")) if part):
            notes[word] = note
    return notes


def _states(given: Sequence[str]) -> frozenset[JobState]:
    known = {state.value: state for state in JobState}
    for text in given:
        if text not in known:
            raise InvalidRequest(f"'state' must be one of {', '.join(known)}.", param="state")
    return frozenset(known[text] for text in given) or frozenset(JobState)


def _last_event(exchange: Exchange) -> int:
    value = exchange.header(b"last-event-id")
    if not value:
        return 0
    if not value.isdigit() or len(value) > _LONGEST_NUMBER:
        raise InvalidRequest("'Last-Event-ID' must be the id of an event that was received.", param="last-event-id")
    return int(value)


def _event(event: JobEvent) -> bytes:
    data = orjson.dumps({**event.data, "time": event.time})
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.type.encode(), data)


def _links(job: Job) -> JobLinks:
    address = f"{PATH}/{job.id}"
    return JobLinks(address, f"{address}/events", f"{address}/report" if job.has_report else None)


def _error(job: Job) -> JobError | None:
    return None if job.problem is None else JobError(job.problem.code, job.problem.message)


def _summary(job: Job) -> JobSummary:
    return JobSummary(
        id=job.id,
        kind=job.kind.value,
        model=str(job.request["model"]),
        name=job.name,
        state=job.state.value,
        created=job.created,
        started=job.started,
        ended=job.ended,
        error=_error(job),
        links=_links(job),
    )


def _reply(job: Job) -> JobReply:
    running = [step.name for step in job.steps if step.phase == "started"]
    return JobReply(
        **msgspec.structs.asdict(_summary(job)),
        submitted_by=job.submitted_by,
        request=dict(job.request),
        progress=JobProgress(job.done, job.total, running[-1] if running else ""),
        steps=[JobStepReply(step.name, step.phase, step.seconds, step.message) for step in job.steps],
        result=_result(job),
        cancelling=job.cancelling,
        interruptions=job.interruptions,
    )


def _result(job: Job) -> ConvertResult | AnalyzeResult | None:
    if job.result is None:
        return None
    if job.kind is JobKind.CONVERT:
        return msgspec.convert(job.result, ConvertResult)
    return msgspec.convert(job.result, AnalyzeResult)
