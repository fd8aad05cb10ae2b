"""R4 for converters: whoever writes is killed before each change that it makes to the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suites.memory_disk import memory_folder

ROOT = Path(__file__).parents[3]


def run(mode: str) -> list[str]:
    """One line for each crash point: what was found after it, and after another try."""
    with memory_folder() as folder:
        command = [sys.executable, "-m", "tests.unit.conversion.crash_points", str(folder), mode]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    lines: list[str] = json.loads(done.stdout)
    return lines


@pytest.mark.parametrize(
    ("mode", "possible"),
    [("first", {"nothing, then new"}), ("replace", {"old, then new", "new, then new"})],
)
def test_r4_a_publisher_killed_at_any_step_leaves_a_whole_entry_or_none(mode: str, possible: set[str]) -> None:
    """R4: all of these are seen, nothing else is; asking again completes it and leaves nothing over."""
    found = run(mode)
    assert len(found) > 15
    assert set(found) == possible


def test_c2_a_step_killed_at_any_moment_is_done_or_done_again() -> None:
    """C2: it counts only with all of its files."""
    found = run("journal")
    assert len(found) > 5
    assert set(found) == {"undone, then done"}
