"""R4: a server that is killed while it starts leaves nothing that hinders the next one.

Every change to the disk that adopting makes is a crash point of `tests/unit/server/artifacts/test_crash_points.py`; a
server that is killed while it serves is in `test_serve.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from argosy.store.entries import list_entries, read_entry
from tests.e2e.running import READY_WITHIN, Running, serve
from tests.unit.server.artifacts.onnx_bytes import matmul

pytestmark = pytest.mark.triton


def test_a_server_killed_during_its_start_leaves_whole_entries_only(tmp_path: Path) -> None:
    """SIGKILL while the entry is made, and while Triton starts; the third start serves what the source holds now."""
    source, cache = tmp_path / "linear.onnx", tmp_path / "cache"
    steps: tuple[Callable[[Running], object], ...] = (
        lambda _: any((cache / "staging").glob("*")) or any((cache / "store").glob("*")),
        lambda running: running.find("tritonserver"),
    )
    for size, step in enumerate(steps, start=2):
        matmul(source, size=size)
        with serve(tmp_path, str(source), "--cache", str(cache)) as killed:
            kill_at(killed, step)
        entries = [read_entry(entry) for entry in list_entries(cache / "store")]
        assert [(entry.newest / "linear.onnx").is_file() for entry in entries] in ([], [True])
    with serve(tmp_path, str(source), "--cache", str(cache)) as running:
        running.wait_ready()
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, size], "data": [1.0] + [0.0] * (size - 1)}
        answer = running.post("/v2/models/linear/infer", {"inputs": [tensor]}).json()
        assert answer["outputs"][0]["data"] == [float(number) for number in range(size)]
        assert not list((cache / "staging").iterdir())
        assert running.stop() == 0
    assert killed.regions() == set()


def kill_at(running: Running, step: Callable[[Running], object]) -> None:
    """SIGKILL the supervisor as soon as the step is seen; all of its processes are gone soon after."""
    deadline = time.monotonic() + READY_WITHIN
    while not step(running):
        assert running.process.poll() is None, running.log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running.family()
    running.process.kill()
    running.process.wait()
    assert psutil.wait_procs(running.orphans(), timeout=30)[1] == []
