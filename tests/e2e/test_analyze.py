"""A search on a real Triton, applied to a server that runs: killed, continued, put to work, and taken back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from argosy.analysis.apply import Applied, Change, State, apply
from argosy.analysis.goal import Goal
from argosy.analysis.journal import read_trials
from argosy.analysis.load.closed_loop import LoopOptions
from argosy.analysis.load.inputs import made_up
from argosy.analysis.running_server import RunningServer, ServerGauge
from argosy.analysis.swap import BACKUP_FILE
from argosy.runtime.model_config import read_config
from argosy.store.entries import read_entry
from tests.e2e.running import READY_WITHIN, Running, serve
from tests.suites.echo_models import echo_tensors

pytestmark = pytest.mark.triton

MODEL = "tuned"
WAITS = "dynamic_batching { max_queue_delay_microseconds: 60000 }"
"""Six callers never fill a batch of eight, so that each waits all of it: a choice that no noise can hide."""
IN_FLIGHT = 6
PLAIN = "dynamic_batching { }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("analyze")
    echo_tensors(made / "store", MODEL, config=WAITS)
    echo_tensors(made / "plain", MODEL, config=PLAIN)
    (made / "space.yaml").write_text("max_batch_size: []\ninstances: []\nqueue_delay_us: [0, 60000]\n")
    return made


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    with serve(folder, "--model-store", str(folder / "store"), "--workers", "1") as service:
        service.wait_ready()
        yield service


def search(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`argosy analyze` as a person starts it."""
    command = ["analyze", MODEL, "--space", "space.yaml", "--concurrency", str(IN_FLIGHT), "--output", "out"]
    return subprocess.Popen(
        [sys.executable, "-m", "argosy", *command, *arguments],
        cwd=folder,
        env={**os.environ, "ARGOSY_MODEL_STORE": str(folder / "store")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def until_a_trial_is_measured(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    journal = folder / "out" / "journal.jsonl"
    while not journal.exists() or '"kind":"end"' not in journal.read_text():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def config_on_disk(folder: Path) -> str:
    return (folder / "store" / MODEL / "config.pbtxt").read_text()


def served_delay(running: Running) -> int:
    """Queue delay of the model that the server runs, as Triton says it."""
    answer = running.get(f"/v2/models/{MODEL}/config")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return int(found.get("dynamic_batching", {}).get("max_queue_delay_microseconds", 0))


def test_a_killed_search_goes_on_and_its_best_is_put_to_work(folder: Path, running: Running) -> None:
    """SIGKILL leaves no process and loses no trial; the server runs the better config, measured before and after."""
    with search(folder) as first:
        until_a_trial_is_measured(folder, first)
        family = psutil.Process(first.pid).children(recursive=True)
        first.kill()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    (current,) = read_trials(folder / "out" / "journal.jsonl")
    with search(folder, "--resume", "--json", "--apply", "--url", running.url) as second:
        report = json.loads(second.communicate(timeout=READY_WITHIN)[0])
    assert second.returncode == 0
    assert report["trials"][0] == current.to_mapping()
    assert report["best"]["configuration"] == {"queue_delay_us": 0}
    assert report["gain"] > 0.5
    assert report["applied"]["state"] == "applied"
    assert report["applied"]["after"]["throughput"] > report["applied"]["before"]["throughput"]
    assert served_delay(running) == 0
    assert (folder / "store" / MODEL / BACKUP_FILE).read_text().count("60000") == 1
    assert "more throughput than the current config" in (folder / "out" / "report.html").read_text()


async def applied(folder: Path, running: Running, new: str) -> Applied:
    """A config put to work on the running server, timed with short windows."""
    entry = read_entry(folder / "store" / MODEL)
    inputs = made_up(entry.spec, read_config(entry.directory / "config.pbtxt"))
    server = RunningServer(running.url, load_timeout=READY_WITHIN)
    options = LoopOptions(warm_up=0.2, window=0.4, windows=4)
    try:
        gauge = ServerGauge(server, entry.spec, inputs, IN_FLIGHT, options)
        return await apply(Change(MODEL, entry.directory, config_on_disk(folder), new), Goal(), gauge, server)
    finally:
        await server.close()


@pytest.mark.parametrize(
    "worse", [WAITS, PLAIN + ' parameters { key: "delay_ms" value { string_value: "no number" } }']
)
def test_a_worse_or_broken_config_is_taken_back(folder: Path, running: Running, worse: str) -> None:
    """The store and the server are as before, and the server answers."""
    before = (folder / "plain" / MODEL / "config.pbtxt").read_text()
    (folder / "store" / MODEL / "config.pbtxt").write_text(before)
    running.post(f"/v2/repository/models/{MODEL}/load", {}).raise_for_status()
    done = asyncio.run(applied(folder, running, before.replace(PLAIN, worse)))
    assert done.state is State.ROLLED_BACK, done.message
    assert config_on_disk(folder) == before
    assert served_delay(running) == 0
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["a"]}]}
    assert running.post(f"/v2/models/{MODEL}/infer", body).json()["outputs"][0]["data"] == ["a"]


def test_an_ended_search_says_how_to_continue(folder: Path) -> None:
    """TERM ends Triton and the scratch folder, and what was measured stays."""
    scratch = Path(tempfile.gettempdir())
    before = set(scratch.glob("argosy-analyze-*"))
    with search(folder, "--output", "ended") as process:
        journal = folder / "ended" / "journal.jsonl"
        while not journal.exists() or '"kind":"begin"' not in journal.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
    assert psutil.wait_procs(family, timeout=30)[1] == []
    assert set(scratch.glob("argosy-analyze-*")) <= before
