"""Folders for measuring."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from argosy.app.analysis.scratch import scratch_folder

OWNER = """
import sys, time
from pathlib import Path
from argosy.app.analysis.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def test_the_folder_goes_with_its_owner(tmp_path: Path) -> None:
    """Also when the work fails."""

    def fail() -> None:
        with scratch_folder(tmp_path) as folder:
            (folder / "run").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_owner_goes_with_the_next(tmp_path: Path) -> None:
    """And the one of a living owner stays."""
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        with scratch_folder(tmp_path):
            assert folder.is_dir()
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait(30)
    assert folder.is_dir()
    with scratch_folder(tmp_path):
        assert not folder.exists()
