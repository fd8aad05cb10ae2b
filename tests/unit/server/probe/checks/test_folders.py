"""Folders that must be writable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from argosy.server.probe.checks.finding import Level
from argosy.server.probe.checks.folders import check_folder


def test_a_folder_that_can_be_created_passes_and_is_not_created(tmp_path: Path) -> None:
    """Looking changes nothing."""
    finding = check_folder("Cache", tmp_path / "a" / "b", "ARGOSY_CACHE")
    assert finding.level in {Level.OK, Level.WARN}
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_fails(tmp_path: Path) -> None:
    """The remedy names the variable."""
    (tmp_path / "file").write_text("")
    finding = check_folder("Cache", tmp_path / "file" / "cache", "ARGOSY_CACHE")
    assert finding.level is Level.FAIL
    assert finding.remedy == "export ARGOSY_CACHE=/a/writable/folder"


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs a file system that nobody can write to")
def test_a_read_only_place_fails() -> None:
    """Root may not write there either."""
    assert check_folder("Cache", Path("/proc/sys/argosy"), "ARGOSY_CACHE").level is Level.FAIL


def test_a_place_that_runs_no_programs_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton's model processes are started from the run folder."""
    real = os.statvfs(tmp_path)

    class Mounted:
        f_flag = real.f_flag | os.ST_NOEXEC
        f_bavail, f_frsize = 1 << 30, 4096

    monkeypatch.setattr(os, "statvfs", lambda path: Mounted)
    assert check_folder("Run folder", tmp_path, "ARGOSY_RUN_DIRECTORY", runs_programs=True).level is Level.FAIL
    assert check_folder("Cache", tmp_path, "ARGOSY_CACHE").level is Level.OK
