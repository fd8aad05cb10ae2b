"""Replacing a config on disk."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from argosy.analysis.swap import BACKUP_FILE, install, restore
from argosy.core.errors import ConfigurationError, StorageFull
from tests.suites.memory_disk import memory_folder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """A folder with a config that only its owner reads."""
    config = tmp_path / "config.pbtxt"
    config.write_text("old")
    config.chmod(0o640)
    return tmp_path


def test_the_former_config_is_kept_beside_the_new_one(entry: Path) -> None:
    """With its mode, and nothing else is left in the folder."""
    backup = install(entry, "new")
    assert (entry / "config.pbtxt").read_text() == "new"
    assert backup.read_text() == "old"
    assert stat.S_IMODE((entry / "config.pbtxt").stat().st_mode) == 0o640
    assert {path.name for path in entry.iterdir()} == {"config.pbtxt", BACKUP_FILE}


def test_restoring_leaves_what_was_there(entry: Path) -> None:
    """The backup goes, too."""
    install(entry, "new")
    restore(entry, "old")
    assert (entry / "config.pbtxt").read_text() == "old"
    assert [path.name for path in entry.iterdir()] == ["config.pbtxt"]


def test_r4_a_kill_at_any_step_leaves_the_old_config_or_the_new() -> None:
    """R4: whole, and the backup that is there is the former one; what was left is no hindrance to the next."""
    with memory_folder() as folder:
        command = [sys.executable, "-m", "tests.unit.analysis.crash_points", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found) > 4
    assert set(found) == {"old", "new"}


@pytest.mark.parametrize("flushes", range(4))
def test_a_full_disk_leaves_the_former_config(entry: Path, monkeypatch: pytest.MonkeyPatch, flushes: int) -> None:
    """The error says what to do, and nothing half-written stays, whichever of the files and folders has no room."""
    left = [None] * flushes

    def full(handle: int) -> None:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="Make room"):
        install(entry, "new")
    assert (entry / "config.pbtxt").read_text() == "old"
    assert [path.name for path in entry.iterdir()] == ["config.pbtxt"]


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    """As one that cannot be written is."""
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        install(tmp_path, "new")
