"""Kills a process before each of its changes to the disk.

The program that uses this forks from a process that has everything imported and no thread yet, so that each crash point
costs milliseconds. The child counts the changes: audit events of the interpreter that name a path below a folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

_CHANGES = {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
_MOST = 400


def in_child(work: Callable[[], object]) -> int:
    """The exit status of a forked process that does `work`; -9 when it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent would
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(step: int, folder: Path) -> None:
    """Kill this process before its change number `step` below `folder`."""
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        changes = event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        if changes and any(str(argument).startswith(str(folder)) for argument in arguments):
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(watch)


def crash_everywhere(before: Path, work: Callable[[Path], object], look: Callable[[Path, Path], object]) -> list[str]:
    """Do `work` again and again on copies of a folder, killed one change later each time, until it comes to its end.

    Args:
        before: the folder as it is when work begins.
        work: gets the copy.
        look: gets the copy and a file to write into what it found; after each kill, in a process of its own.

    Returns:
        What `look` wrote, one text for each crash point.
    """
    found: list[str] = []
    for step in range(_MOST):
        copy, report = before.parent / str(step), before.parent / "report.txt"
        shutil.copytree(before, copy, symlinks=True)
        status = in_child(partial(_work, step, copy, work))
        assert status in {0, -signal.SIGKILL}, (step, status)
        if status == 0:
            return found
        assert in_child(partial(look, copy, report)) == 0, step
        found.append(report.read_text())
        shutil.rmtree(copy)
    raise AssertionError(f"the work has more than {_MOST} changes")


def _work(step: int, copy: Path, work: Callable[[Path], object]) -> None:
    kill_at(step, copy)
    work(copy)
