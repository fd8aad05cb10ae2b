from __future__ import annotations

import stat
from pathlib import Path

import pytest

from argosy.core.errors import AlreadyRunning, InvalidSetting
from argosy.runtime.triton.run_directory import RunDirectory


def test_directory_is_private(tmp_path: Path) -> None:
    """The directory is created with its parents and closed to others, also when it was open before."""
    place = tmp_path / "a" / "run"
    place.mkdir(parents=True, mode=0o755)
    directory = RunDirectory(place)
    directory.acquire()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    directory.release()


def test_second_owner_is_refused(tmp_path: Path) -> None:
    """While one holds the directory another is refused; afterwards it may have it. Releasing twice is harmless."""
    first, second = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "run")
    first.acquire()
    with pytest.raises(AlreadyRunning, match="--run-directory"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_unusable_place_is_named(tmp_path: Path) -> None:
    """A place that cannot hold a directory is refused with the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSetting, match="--run-directory"):
        RunDirectory(tmp_path / "file" / "run").acquire()


def test_sockets_of_a_deep_directory_lie_elsewhere(tmp_path: Path) -> None:
    """A path too long for a socket gets a short private place that is removed again."""
    directory = RunDirectory(tmp_path / ("d" * 100))
    directory.acquire()
    sockets = directory.sockets
    assert len(str(sockets)) < 60
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    directory.release()
    assert not sockets.exists()
