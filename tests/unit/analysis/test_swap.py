"""Replacing a config on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from argosy.analysis.swap import BACKUP_FILE, install, restore
from argosy.core.errors import ConfigurationError


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


@pytest.mark.parametrize("survived", range(4))
def test_at_every_rename_a_whole_config_is_in_place(
    entry: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """A process that dies after any number of renames leaves the old or the new config, never a part of one."""
    replace, done = Path.replace, 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal done
        if done == survived:
            raise KeyboardInterrupt
        done += 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    try:
        install(entry, "new")
        restore(entry, "old")
    except KeyboardInterrupt:
        assert done == survived
    assert (entry / "config.pbtxt").read_text() == ("new" if survived == 2 else "old")


def test_a_full_disk_leaves_the_former_config(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where a former config would be, and nothing half-written stays."""

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        install(entry, "new")
    assert (entry / "config.pbtxt").read_text() == "old"
    assert [path.name for path in entry.iterdir()] == ["config.pbtxt"]
