"""The process of a job, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from argosy.server.jobs import process
from argosy.server.jobs.process import ChildOptions, Ending, run_child

LEAVE = """
import pathlib, subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={apart})
pathlib.Path({folder!r}, "left").write_text(str(left.pid))
"""


async def run(folder: Path, program: str) -> tuple[Ending, list[Mapping[str, Any]]]:
    """How a program ended, and what it told."""
    told: list[Mapping[str, Any]] = []

    async def hear(message: Mapping[str, Any]) -> None:
        told.append(message)

    options = ChildOptions((sys.executable, "-I", "-c", program), grace=5.0, longest=60.0)
    return await run_child(options, (), folder, hear), told


def left_by(folder: Path) -> psutil.Process | None:
    try:
        found = psutil.Process(int((folder / "left").read_text()))
    except psutil.NoSuchProcess:
        return None
    return None if found.status() == psutil.STATUS_ZOMBIE else found


async def test_what_a_job_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """Also when nobody told the job to end."""
    ending, _ = await run(tmp_path, LEAVE.format(apart=False, folder=str(tmp_path)))
    assert ending.code == 0
    left = left_by(tmp_path)
    assert psutil.wait_procs([left] if left else [], timeout=10)[1] == []


async def test_what_left_the_group_holds_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the job's standard error, which is listened to no longer."""
    monkeypatch.setattr(process, "_LAST_WORDS", 0.05)
    await run(tmp_path, "")
    before = psutil.Process().num_fds()
    ending, _ = await run(tmp_path, LEAVE.format(apart=True, folder=str(tmp_path)))
    left = left_by(tmp_path)
    assert left is not None
    left.send_signal(signal.SIGKILL)
    assert ending.code == 0
    assert psutil.Process().num_fds() == before


async def test_a_process_whose_end_cannot_be_heard_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file handle is left for it: it is gone, and the error says why."""
    begun: list[int] = []

    def refuse(pid: int) -> int:
        begun.append(pid)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        await run(tmp_path, "import time; time.sleep(600)")
    assert not psutil.pid_exists(begun[0])


async def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    """What comes after it is heard."""
    program = """
import sys
sys.stderr.write("x" * 300_000 + "\\n" + '{"event": "step"}' + "\\n" + "last")
"""
    ending, told = await run(tmp_path, program)
    assert told == [{"event": "step"}]
    assert [len(line) for line in ending.tail] == [300, 4]
    assert (tmp_path / "log.txt").stat().st_size <= (1 << 16) + len("\nlast\n")


async def test_a_line_that_never_ends_takes_no_memory(tmp_path: Path) -> None:
    """However long it is."""
    tracemalloc.start()
    try:
        await run(tmp_path, "import sys; sys.stderr.write('x' * (8 << 20))")
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
