from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argosy.server.control.workers import GatewayWorkers, WorkerOptions

# A stand-in program: writes its configuration where it is told, answers TERM by leaving, unless told to be deaf.
PROGRAM = """
import json, os, pathlib, signal, sys, time
configuration = json.load(sys.stdin)
if configuration.get("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
target = pathlib.Path(configuration["folder"]) / f"{configuration['slot']}-{os.getpid()}"
target.with_suffix(".part").write_text(json.dumps(configuration))
target.with_suffix(".part").rename(target.with_suffix(".json"))
while True:
    time.sleep(0.05)
"""


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def options(folder: Path, *, count: int = 1, deaf: bool = False, grace: float = 10) -> WorkerOptions:
    return WorkerOptions((sys.executable, "-c", PROGRAM), count, {"folder": str(folder), "deaf": deaf}, grace)


async def written(folder: Path, count: int) -> list[Path]:
    async with asyncio.timeout(30):
        while len(found := sorted(folder.glob("*.json"))) < count:
            await asyncio.sleep(0.02)
    return found


async def test_each_worker_gets_its_configuration_on_standard_input(tmp_path: Path, listener: socket.socket) -> None:
    """Slots are numbered and the listener's descriptor is passed on."""
    workers = GatewayWorkers(options(tmp_path, count=2), listener)
    await workers.start()
    found = [json.loads(path.read_text()) for path in await written(tmp_path, 2)]
    await workers.stop()
    assert sorted(item["slot"] for item in found) == [0, 1]
    assert {item["listener"] for item in found} == {listener.fileno()}


async def test_a_worker_that_dies_is_started_again(tmp_path: Path, listener: socket.socket) -> None:
    """A killed worker's slot gets a new process."""
    workers = GatewayWorkers(options(tmp_path), listener)
    await workers.start()
    await written(tmp_path, 1)
    (first,) = workers.pids
    os.kill(first, signal.SIGKILL)
    await written(tmp_path, 2)
    assert workers.pids != [first]
    await workers.stop()


async def test_stop_leaves_no_process_behind_even_a_deaf_one(tmp_path: Path, listener: socket.socket) -> None:
    """A worker that ignores TERM is killed after the grace time."""
    workers = GatewayWorkers(options(tmp_path, deaf=True, grace=0.3), listener)
    await workers.start()
    await written(tmp_path, 1)
    (pid,) = workers.pids
    await workers.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert workers.pids == []
