"""Jobs over HTTP on a server with two workers: ordered, followed, ended, refused, and taken up after a kill."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.running import READY_WITHIN, Running, serve, start
from tests.suites.echo_models import echo_tensors

pytestmark = pytest.mark.triton

MODEL = "tuned"
JOBS = "/api/v1/jobs"
SEARCH = {"kind": "analyze", "model": MODEL, "concurrency": [2], "budget": 1}
LONG = {"kind": "analyze", "model": MODEL, "concurrency": [1, 2, 4, 8, 16, 32]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("jobs")
    echo_tensors(made / "store", MODEL)
    (made / "models").mkdir()
    # Nobody gets as far as reading it.
    (made / "models" / "tiny.onnx").write_bytes(b"")
    return made


def arguments(folder: Path) -> list[str]:
    given = ["--model-store", str(folder / "store"), "--cache", str(folder / "cache"), "--workers", "2"]
    return [*given, "--job-folders", str(folder / "models"), "--offline"]


# The interpreter that serves has no torch, whatever else is installed beside it.
ENVIRONMENT = {"ARGOSY_CONVERSION_PYTHON": sys.executable}


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    with serve(folder, *arguments(folder), environment=ENVIRONMENT) as service:
        service.wait_ready()
        yield service


def order(running: Running, body: dict[str, Any]) -> dict[str, Any]:
    """A job that was taken in."""
    reply = running.post(JOBS, body)
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    assert reply.headers["location"] == job["links"]["self"]
    return job


def until(running: Running, job: dict[str, Any], *states: str) -> dict[str, Any]:
    """The job once it is in one of the states; each look may be another worker's."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        found: dict[str, Any] = running.get(job["links"]["self"]).json()
        if found["state"] in states:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def until_measuring(running: Running, job: dict[str, Any]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not running.get(job["links"]["self"]).json()["steps"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def follow(running: Running, job: dict[str, Any], last: int = 0) -> list[tuple[int, str, dict[str, Any]]]:
    """Every event after `last`, as they come, until the stream ends."""
    events = []
    headers = {"last-event-id": str(last)} if last else {}
    with httpx.stream(
        "GET", running.url + job["links"]["events"], headers=headers, timeout=60, trust_env=False
    ) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        for block in reply.read().decode().split("\n\n"):
            if block and not block.startswith(":"):
                lines = dict(line.split(": ", 1) for line in block.splitlines())
                events.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return events


def test_a_search_is_followed_to_its_report(running: Running) -> None:
    """States and steps as events that can be taken up anywhere; figures and page at the end, from either worker."""
    job = order(running, SEARCH)
    events = follow(running, job)
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    assert [data["state"] for _, kind, data in events if kind == "state"] == ["queued", "running", "succeeded"]
    assert {"trial-1"} == {data["step"] for _, kind, data in events if kind == "step"}
    assert follow(running, job, last=2) == events[2:]
    found = running.get(job["links"]["self"]).json()
    assert found["result"]["kind"] == "analyze"
    assert found["result"]["best"]["level"]["throughput"] > 0
    assert "Keep the current config" in found["result"]["verdict"]
    assert (found["progress"]["done"], found["progress"]["total"]) == (1, 1)
    page = running.get(found["links"]["report"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "</html>" in page.text
    assert job["id"] in [listed["id"] for listed in running.get(f"{JOBS}?state=succeeded").json()["jobs"]]


def test_a_conversion_without_its_environment_says_how_to_make_one(running: Running, folder: Path) -> None:
    """It fails as the command does, the error has its code, and the store shows nothing."""
    job = until(running, order(running, {"kind": "convert", "model": str(folder / "models" / "tiny.onnx")}), "failed")
    assert job["error"]["code"] == "missing_requirement"
    assert "make convert-environment" in job["error"]["message"]
    assert (job["name"], job["result"], job["links"]["report"]) == ("tiny", None, None)
    assert running.get(f"{job['links']['self']}/report").status_code == 404
    assert [path.name for path in (folder / "store").iterdir()] == [MODEL]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "convert", "model": "/etc/passwd"}, "model"),
        ({"kind": "convert", "model": "{models}/../../secret"}, "model"),
        ({"kind": "convert", "model": "{models}/tiny.onnx", "calibration": "/etc/hosts"}, "calibration"),
        ({"kind": "convert", "model": "{models}/tiny.onnx", "name": "../x"}, "name"),
        ({"kind": "convert", "model": "{models}/tiny.onnx", "name": MODEL}, "name"),
        ({"kind": "convert", "model": "{models}/tiny.onnx", "p99_ms": 5}, "p99_ms"),
        ({"kind": "analyze", "model": "absent"}, "model"),
        ({"kind": "analyze", "model": MODEL, "rows": 0}, "rows"),
    ],
)
def test_what_may_not_be_is_refused_at_once(running: Running, folder: Path, body: dict[str, Any], field: str) -> None:
    """With the field at fault, and without a job."""
    before = running.get(JOBS).json()["jobs"]
    sent = json.loads(json.dumps(body).replace("{models}", str(folder / "models")))
    reply = running.post(JOBS, sent)
    assert (reply.status_code, reply.json()["param"]) == (400, field), reply.text
    assert running.get(JOBS).json()["jobs"] == before


def test_jobs_wait_for_one_another_and_are_ended_in_any_state(running: Running) -> None:
    """One that waits is ended at once, one that runs within seconds, its processes with it; again changes nothing."""
    first = order(running, LONG)
    second = order(running, LONG)
    assert until(running, second, "queued")["progress"] == {"done": 0, "total": 0, "step": ""}
    assert running.post(f"{second['links']['self']}/cancel").json()["state"] == "cancelled"
    until_measuring(running, first)
    (child,) = jobs_of(running)
    family = [child, *child.children(recursive=True)]
    running.post(f"{first['links']['self']}/cancel").raise_for_status()
    ended = until(running, first, "cancelled")
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert running.post(f"{first['links']['self']}/cancel").json() == ended


def jobs_of(running: Running) -> list[psutil.Process]:
    """The processes that carry out jobs."""
    return [child for child in psutil.Process(running.process.pid).children() if "analyze" in child.cmdline()]


def test_a_job_is_taken_up_after_the_server_was_killed(running: Running, folder: Path) -> None:
    """SIGKILL ends the job's process, too; the next server goes on with the job, and says that it was interrupted.

    The last of this file, because it takes the server away from it.
    """
    job, waiting = order(running, LONG), order(running, SEARCH)
    until_measuring(running, job)
    (child,) = jobs_of(running)
    family = [child, *child.children(recursive=True)]
    running.process.kill()
    running.process.wait()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    second = start(folder, [*arguments(folder), "--port", str(running.port)], ENVIRONMENT)
    second.port = running.port
    try:
        second.wait_ready()
        assert until(second, job, "running")["interruptions"] == 1
        assert until(second, waiting, "queued")["interruptions"] == 0
        assert states_so_far(second, job) == ["queued", "running", "queued", "running"]
    finally:
        second.process.kill()
        second.process.wait()


def states_so_far(running: Running, job: dict[str, Any]) -> list[str]:
    """The states that a job had, up to the second time that it runs."""
    states: list[str] = []
    with httpx.stream("GET", running.url + job["links"]["events"], timeout=60, trust_env=False) as reply:
        for line in reply.iter_lines():
            if line.startswith("data: ") and "state" in (data := json.loads(line.removeprefix("data: "))):
                states.append(data["state"])
            if states.count("running") == 2:
                break
    return states
