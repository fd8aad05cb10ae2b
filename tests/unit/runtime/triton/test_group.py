from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.runtime.triton import group
from argosy.runtime.triton.group import Member, Record

FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child in its group and one that left it."""
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        yield leader
        for member in group.members(leader.pid):
            member.kill()
        leader.kill()


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def region() -> Path:
    path = Path("/dev/shm") / f"argosy_test_{os.getpid()}_backend_shm_region_x"
    path.touch()
    return path


def test_members_are_the_group_and_every_descendant(family: subprocess.Popen[bytes]) -> None:
    """A child that left the process group still belongs."""
    assert len(group.members(family.pid)) == 3


def test_destroy_leaves_nothing(family: subprocess.Popen[bytes]) -> None:
    """Every member is gone, and so is its shared memory."""
    shared = region()
    found = group.members(family.pid) | {Member(0, 0, "m", shared.name)}
    group.destroy(family.pid, found)
    family.wait()
    assert eventually(lambda: not any(member.alive for member in found))
    assert not shared.exists()


def test_members_of_nobody_are_none() -> None:
    """A process that is gone has no members."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert group.members(process.pid) == frozenset()


def test_reused_pid_is_not_touched(family: subprocess.Popen[bytes]) -> None:
    """A member whose pid now belongs to a process started at another time is not alive and not killed."""
    stranger = Member(family.pid, started=1)
    assert not stranger.alive
    stranger.kill()
    assert family.poll() is None


def test_stopped_processes_are_alive(family: subprocess.Popen[bytes]) -> None:
    """A stopped process is alive, and SIGKILL ends it all the same."""
    member = next(member for member in group.members(family.pid) if member.pid == family.pid)
    os.kill(family.pid, signal.SIGSTOP)
    assert member.alive
    member.kill()
    family.wait()
    assert not member.alive


WORKER = """
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
print("up", flush=True)
time.sleep(600)
"""


def test_busy_ticks_count_descendants() -> None:
    """A process whose child works is busy, though it only waits itself; one that is gone is not."""
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None
        idle.stdout.readline()
        family = group.members(idle.pid)
        (leader,) = (member for member in family if member.pid == idle.pid)
        before = group.busy_ticks([leader])
        assert eventually(lambda: group.busy_ticks([leader]) >= before + 5)
        assert group.busy_ticks([Member(idle.pid, started=1)]) == 0
        group.destroy(0, family)


def test_sweep_stays_in_its_directory(tmp_path: Path) -> None:
    """A name that leads elsewhere is ignored."""
    victim = tmp_path / "victim"
    victim.touch()
    group.sweep(["", f"../..{victim}", str(victim), "no-such-region"])
    assert victim.exists()


def test_record_survives_its_writer(tmp_path: Path) -> None:
    """What one Argosy noted, the next one reads; clearing empties it."""
    members = frozenset({Member(1, 2, "m", "region"), Member(3, 4)})
    record = Record(tmp_path / "processes.json")
    assert record.add(members) == members
    assert record.add(frozenset()) == members
    assert Record(tmp_path / "processes.json").left_over() == members
    record.clear()
    assert Record(tmp_path / "processes.json").left_over() == frozenset()


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"pid": 1}]', '{"a": 1}'])
def test_damaged_record_counts_as_empty(tmp_path: Path, text: str) -> None:
    """A file that cannot be understood is no reason not to start."""
    (tmp_path / "processes.json").write_text(text)
    assert Record(tmp_path / "processes.json").left_over() == frozenset()


HEAVY = """
import subprocess, sys, time
held = bytearray(b"x") * (64 << 20)
child = "held = bytearray(b'x') * (32 << 20); print('up', flush=True); import time; time.sleep(600)"
process = subprocess.Popen([sys.argv[2], "-c", child], stdout=subprocess.PIPE)
process.stdout.readline()
print("up", flush=True)
time.sleep(600)
"""


def test_a_model_takes_the_memory_of_its_process_and_of_what_that_started(tmp_path: Path) -> None:
    """Counted by the model's name; the server itself is no model."""
    script = tmp_path / "whale" / "1" / "model.py"
    script.parent.mkdir(parents=True)
    script.write_text(HEAVY)
    arguments = [group.STUB_PROGRAM, str(script), "region", sys.executable]
    with subprocess.Popen(arguments, executable=sys.executable, stdout=subprocess.PIPE) as stub:
        assert stub.stdout is not None
        stub.stdout.readline()
        sizes = group.resident_bytes(os.getpid())
        for member in group.members(stub.pid):
            member.kill()
    assert list(sizes) == ["whale"]
    assert 96 << 20 < sizes["whale"] < 200 << 20
