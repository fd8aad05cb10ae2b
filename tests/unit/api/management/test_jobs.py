"""The routes of jobs over the whole gateway, with jobs that really run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from argosy.api.management.job_messages import JobBody, JobList, JobReply
from argosy.cli.analyze import command as analyze
from argosy.cli.convert import command as convert
from argosy.server.access.keys import StaticKeys
from argosy.server.jobs.desk import DeskOptions
from argosy.server.jobs.job import JobKind
from argosy.server.jobs.words import OF_EVERY_JOB, WORDS, Form, flag
from tests.suites.gateway import gateway
from tests.unit.api.conftest import calling
from tests.unit.api.management.test_profiles import OPERATOR, Roles
from tests.unit.server.jobs.worked import Worked

JOBS = "/api/v1/jobs"


class Office:
    """A gateway and the desk behind it."""

    def __init__(self, worked: Worked, client: httpx.AsyncClient) -> None:
        self.worked = worked
        self.client = client

    async def post(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.client.post(JOBS, json=body, headers={**OPERATOR, **headers})

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**OPERATOR, **headers})

    async def order(self, does: str, **words: Any) -> dict[str, Any]:
        reply = await self.post(dict(self.worked.request(does, **words)))
        assert reply.status_code == 202, reply.text
        job: dict[str, Any] = reply.json()
        return job

    async def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        await self.worked.ended(await self.worked.desk.job(job["id"]))
        found: dict[str, Any] = (await self.get(f"{JOBS}/{job['id']}")).json()
        return found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    worked = Worked(tmp_path, DeskOptions(waiting=1))
    await worked.desk.start()
    (tmp_path / "gateway").mkdir()
    async with (
        gateway(tmp_path / "gateway", authenticator=Roles(), templates_loaded=False, jobs=worked.desk) as server,
        calling(server) as client,
    ):
        yield Office(worked, client)
    await worked.desk.stop()


def events(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


async def test_a_job_is_ordered_looked_at_and_read(office: Office) -> None:
    """In the forms that the document of the API describes; unknown fields are named."""
    reply = await office.post({**office.worked.request("fine"), "colour": 1})
    job = msgspec.json.decode(reply.content, type=JobReply, strict=True)
    assert (reply.status_code, reply.headers["location"]) == (202, f"{JOBS}/{job.id}")
    assert "colour" in reply.headers["x-argosy-warning"]
    assert (job.state, job.submitted_by, job.result) == ("queued", "operator", None)
    done = msgspec.convert(await office.ended({"id": job.id}), JobReply)
    assert done.state == "succeeded"
    assert done.result is not None
    assert done.result.proof is not None
    assert done.result.proof.figures == {"cosine": 1.0}
    assert done.progress.done == done.progress.total == 2
    listed = msgspec.json.decode((await office.get(JOBS)).content, type=JobList, strict=True)
    assert [each.id for each in listed.jobs] == [job.id]
    assert done.links.report is not None
    page = await office.get(done.links.report)
    assert (page.text, page.headers["content-type"]) == ("<html>figures</html>", "text/html; charset=utf-8")
    assert "sandbox" in page.headers["content-security-policy"]


async def test_events_are_followed_and_taken_up(office: Office) -> None:
    """Numbered from 1; the stream ends with the job, and goes on after the event that a reader had last."""
    job = await office.order("fine")
    every = events((await office.get(job["links"]["events"])).text)
    assert [number for number, _, _ in every] == list(range(1, len(every) + 1))
    assert [data["state"] for _, kind, data in every if kind == "state"] == ["queued", "running", "succeeded"]
    again = await office.get(job["links"]["events"], **{"last-event-id": "3"})
    assert events(again.text) == every[3:]


async def test_a_job_that_fails_tells_its_error(office: Office) -> None:
    """The request for it does not fail."""
    done = await office.ended(await office.order("broken"))
    assert (done["state"], done["error"]["code"]) == ("failed", "proof_failed")
    assert (await office.get(f"{JOBS}?state=failed")).json()["jobs"][0]["error"] == done["error"]
    assert (await office.get(f"{JOBS}?state=running&state=queued")).json()["jobs"] == []


async def test_one_that_waits_too_many_is_429(office: Office) -> None:
    """With the time after which to come again, and the way to make room."""
    first = await office.order("slow")
    await office.worked.waiting()
    second = await office.order("fine")
    reply = await office.post(dict(office.worked.request("fine", name="third")))
    assert (reply.status_code, reply.json()["code"]) == (429, "too_many_jobs")
    assert int(reply.headers["retry-after"]) >= 30
    for job in (second, first, second):
        assert (await office.client.post(f"{JOBS}/{job['id']}/cancel", headers=OPERATOR)).status_code == 200
    assert [(await office.ended(job))["state"] for job in (first, second)] == ["cancelled", "cancelled"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", JOBS),
        ("GET", JOBS),
        *(("GET", f"{JOBS}/{'0' * 19}{rest}") for rest in ("", "/events", "/report")),
        ("POST", f"{JOBS}/{'0' * 19}/cancel"),
    ],
)
async def test_only_operators_have_jobs(office: Office, method: str, path: str) -> None:
    """Others learn nothing; there is no job either for those who may look."""
    reply = await office.client.request(method, path, json={}, headers={"authorization": "user"})
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/problem+json")
    if path != JOBS:
        reply = await office.client.request(method, path, headers=OPERATOR)
        assert (reply.status_code, reply.json()["param"]) == (404, "id")


async def test_without_a_key_nothing_is_told(tmp_path: Path) -> None:
    """401 on a server with keys, before anything else is looked at."""
    keys = StaticKeys({"ann@operator": "o" * 32})
    async with gateway(tmp_path, authenticator=keys, templates_loaded=False) as server, calling(server) as client:
        codes = [(await client.get(f"{JOBS}{path}")).status_code for path in ("", "/x", "/x/events", "/x/report")]
        codes += [(await client.post(f"{JOBS}{path}", json={})).status_code for path in ("", "/x/cancel")]
    assert codes == [401] * 6


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "serve", "model": "a/b"}, "kind"),
        ({"kind": "convert"}, "model"),
        ({"kind": "convert", "model": ""}, "model"),
        ({"kind": "convert", "model": 1}, "model"),
        ({"kind": "convert", "model": "a/b", "name": "A B"}, "name"),
        ({"kind": "convert", "model": "a/b", "precision": "int2"}, "precision"),
        ({"kind": "convert", "model": "a/b", "samples": 3}, "samples"),
        ({"kind": "convert", "model": "a/b", "samples": "many"}, "samples"),
        ({"kind": "convert", "model": "a/b", "memory": "8"}, "memory"),
        ({"kind": "convert", "model": "a/b", "memory": "8GiB; reboot"}, "memory"),
        ({"kind": "convert", "model": "a/b", "timeout": 0}, "timeout"),
        ({"kind": "convert", "model": "a/b", "replace": "yes"}, "replace"),
        ({"kind": "analyze", "model": "a/b", "concurrency": [0]}, "concurrency"),
        ({"kind": "analyze", "model": "a/b", "concurrency": []}, "concurrency"),
        ({"kind": "analyze", "model": "a/b", "precisions": ["--apply"]}, "precisions"),
        ({"kind": "analyze", "model": "a/b", "p99_ms": -1}, "p99_ms"),
        ({"kind": "analyze", "model": "a/b", "samples": 8}, "samples"),
    ],
)
async def test_a_body_that_cannot_be_meant_names_its_field(office: Office, body: dict[str, Any], field: str) -> None:
    """400 at once, and no job."""
    reply = await office.post(body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["param"].partition("[")[0] == field
    assert (await office.get(JOBS)).json() == {"jobs": []}


@pytest.mark.parametrize("last", ["x", "-1", "1" * 30])
async def test_an_event_id_that_is_none_is_refused(office: Office, last: str) -> None:
    """By the name of the header."""
    job = await office.order("fine")
    reply = await office.get(job["links"]["events"], **{"last-event-id": last})
    assert (reply.status_code, reply.json()["param"]) == (400, "last-event-id")


async def test_a_state_that_is_none_is_refused(office: Office) -> None:
    """With those there are."""
    reply = await office.get(f"{JOBS}?state=dead")
    assert (reply.status_code, reply.json()["param"]) == (400, "state")
    assert "cancelled" in reply.json()["detail"]


async def test_a_page_of_elsewhere_orders_nothing(office: Office) -> None:
    """Although the browser that it runs in may."""
    reply = await office.post(dict(office.worked.request("fine")), origin="https://example.org")
    assert reply.status_code == 403
    cancel = await office.client.post(f"{JOBS}/{'0' * 19}/cancel", headers={**OPERATOR, "origin": "https://x.org"})
    assert cancel.status_code == 403
    assert (await office.get(JOBS)).json() == {"jobs": []}


async def test_a_method_that_a_path_lacks_is_answered_with_those_it_has(office: Office) -> None:
    """All of them, on a path with several."""
    reply = await office.client.delete(JOBS, headers=OPERATOR)
    assert (reply.status_code, sorted(reply.headers["allow"].split(", "))) == (405, ["GET", "POST"])


async def test_a_server_without_jobs_says_so(tmp_path: Path) -> None:
    """503, in the dialect's form."""
    async with gateway(tmp_path, authenticator=Roles(), templates_loaded=False) as server, calling(server) as client:
        reply = await client.get(JOBS, headers=OPERATOR)
    assert (reply.status_code, reply.json()["detail"]) == (503, "This server takes no jobs.")


@pytest.mark.parametrize(("kind", "command"), [(JobKind.CONVERT, convert), (JobKind.ANALYZE, analyze)])
def test_the_words_are_those_of_the_command_line(kind: JobKind, command: Any) -> None:
    """Every option but those that say where its files go; choices and bounds are the same."""
    options = {parameter.opts[0]: parameter for parameter in command.params if parameter.opts[0].startswith("--")}
    of_the_job = {"--json", "--progress", "--python", "--cache", "--offline", "--url", "--key-file"}
    if kind is JobKind.ANALYZE:
        of_the_job |= {"--output", "--resume"}
    assert {flag(word) for word in WORDS[kind]} == options.keys() - of_the_job
    schema = msgspec.json.schema(JobBody)["$defs"]["JobBody"]["properties"]
    assert schema.keys() == OF_EVERY_JOB | WORDS[JobKind.CONVERT].keys() | WORDS[JobKind.ANALYZE].keys()
    for word, form in WORDS[kind].items():
        option, said = options[flag(word)], {**schema[word], **schema[word].get("anyOf", [{}])[0]}
        assert (form is Form.SWITCH) == bool(option.is_flag), word
        if choices := getattr(option.type, "choices", None):
            assert set(said["enum"]) == set(choices), word
        if (least := getattr(option.type, "min", None)) is not None:
            assert said.get("minimum", said.get("exclusiveMinimum")) == least, word
            assert ("exclusiveMinimum" in said) == option.type.min_open, word
        if (most := getattr(option.type, "max", None)) is not None:
            assert said["maximum"] == most, word
