"""The kernel's own bound on processes; no test here starts more than 20."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import argosy
from argosy.conversion.process.task_limit import ControlGroup, control_group, limit_user

SOURCES = Path(argosy.__file__).parents[1]
FORKS = """
    import os, sys, time
    with open({path!r} + "/cgroup.procs", "w") as file:
        file.write("0")
    started = []
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            started.append(pid)
    except BlockingIOError:
        pass
    for pid in started:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    print(len(started))
"""


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    made = control_group(8)
    if made is None:
        pytest.skip("this machine lets nobody make a control group that counts processes")
    yield made
    made.remove()


def forked(path: Path) -> int:
    """How many processes a child could start that would start 20."""
    code = textwrap.dedent(FORKS.format(path=str(path)))
    return int(subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True).stdout)


def test_a_control_group_stops_a_process_from_forking_on(group: ControlGroup) -> None:
    """Eight tasks in all, so seven children; the eighth fork fails."""
    assert forked(group.path) == 7


def test_a_control_group_that_is_no_longer_needed_is_removed(group: ControlGroup) -> None:
    """Nothing of a step stays behind."""
    forked(group.path)
    group.remove()
    assert not group.path.exists()


def test_groups_of_dead_processes_are_swept_up(group: ControlGroup) -> None:
    """A watcher that was killed could not remove its own."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = group.path.with_name(f"argosy-{dead.pid}")
    left.mkdir()
    group.remove()
    made = control_group(8)
    assert made is not None
    assert not left.exists()


def test_a_user_other_than_root_gets_a_limit_above_what_runs_already() -> None:
    """It is counted for all of the user's processes, so it must leave room for those."""
    code = (
        f"import resource, sys; sys.path.append({str(SOURCES)!r})\n"
        f"from {limit_user.__module__} import limit_user\n"
        "limit_user(2048); print(resource.getrlimit(resource.RLIMIT_NPROC)[0])"
    )
    before, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    found = int(subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True).stdout)
    lower = [limit for limit in (before, hard) if limit != resource.RLIM_INFINITY]
    assert 2048 < found <= min([*lower, 1 << 22])
