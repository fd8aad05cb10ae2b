"""R4: the puller is killed before each change it makes to the disk.

A child process counts the changes (audit events of the interpreter that name a path in the cache) and kills itself at
the one it is told to. Children are forked from a process that has everything imported and no thread yet, so that each
costs milliseconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suites.hub_server import HubServer
from tests.unit.server.artifacts.repositories import put_encoder, put_onnx

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[4]
PROGRAM = "tests.unit.server.artifacts.crash_points"


def run(hub: HubServer, folder: Path, source: str, mode: str) -> list[str]:
    """One line for each crash point: what was found after it."""
    command = [sys.executable, "-m", PROGRAM, str(folder), hub.endpoint, source, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    lines: list[str] = json.loads(done.stdout.splitlines()[-1])
    return lines


def test_r4_a_kill_at_any_step_leaves_the_model_or_nothing(hub: HubServer, tmp_path: Path) -> None:
    """R4: offline, the model is whole or not there; the next pull completes it, and no leftover stays."""
    put_onnx(hub, tmp_path / "work")
    found = run(hub, tmp_path / "crashes", "hf://acme/double", "first")
    assert len(found) > 20
    assert set(found) == {"nothing, then new", "new, then new"}
    assert found[0] == "nothing, then new"


def test_r4_a_kill_while_a_damaged_model_is_repaired(hub: HubServer, tmp_path: Path) -> None:
    """R4: the damaged form is refused or the repaired one served, never a mixture."""
    put_encoder(hub, tmp_path / "work")
    found = run(hub, tmp_path / "crashes", "hf://acme/Small-Encoder", "update")
    assert len(found) > 5
    assert set(found) <= {"refused, then new", "nothing, then new", "new, then new"}
    assert "refused, then new" in found


def test_r4_a_kill_while_an_entry_is_written_to_a_store(hub: HubServer, tmp_path: Path) -> None:
    """R4: the store has the whole entry or none, and the next writer removes what was left."""
    put_onnx(hub, tmp_path / "work")
    found = run(hub, tmp_path / "crashes", "hf://acme/double", "export")
    assert len(found) > 5
    assert set(found) <= {"nothing, then new", "new, then new"}


def test_r4_a_kill_while_a_file_is_adopted(hub: HubServer, tmp_path: Path) -> None:
    """R4: a server killed while it makes an entry leaves the old, the new or none; the next start makes the new."""
    found = run(hub, tmp_path / "crashes", "", "adopt")
    assert len(found) > 5
    assert set(found) == {"old, then new", "nothing, then new", "new, then new"}
