"""The process between a conversion and one of its steps: it owns the step's whole process tree and ends it.

Started by an isolated interpreter without site-packages, so it needs the standard library only. It reads one JSON line
from its standard input (`Order`), starts the command, and writes one JSON line (`Ending`) when nothing of the tree is
left. When its standard input ends first, its owner has cancelled or died, and the tree is ended too.

Every process that the step leaves behind is adopted (PR_SET_CHILD_SUBREAPER, prctl(2)), so that none escapes by forking
twice or by starting a session of its own. The kernel bounds how many there can be (`task_limit`). A tree is ended by
stopping all of it before anything is killed: a process that forks faster than it can be killed is frozen first.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from argosy.conversion.process.task_limit import ControlGroup, control_group, limit_user

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_POLL = 0.05
_SLACK = 4 << 30
"""Bytes that a process may map beyond its limit: libraries reserve more than they touch."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_FROZEN_ROUNDS = 200
_TASKS_A_PROCESS = 32
"""Control groups count threads as well, and numerical libraries start one for each processor."""


@dataclass(frozen=True)
class Order:
    """What to run and what it may use.

    Attributes:
        command: program and arguments.
        environment: all of the step's variables.
        directory: where it starts.
        log: file that its output is appended to.
        memory: bytes of memory of its own, which no file backs, that the tree may hold.
        seconds: wall time it may take.
        processes: processes that may exist at once.
    """

    command: list[str]
    environment: dict[str, str]
    directory: str
    log: str
    memory: int
    seconds: float
    processes: int


@dataclass
class Ending:
    """How a step ended.

    Attributes:
        cause: `exit`, `signal`, `memory`, `time`, `processes`, `cancelled` or `start`.
        code: exit code, or the signal's number.
        peak: most bytes of memory of its own that the tree held when looked at.
        seconds: wall time.
        network: `none` when the step had no network devices, else `variables`: libraries were told to stay offline.
        detail: what kept the step from starting.
    """

    cause: str = "exit"
    code: int = 0
    peak: int = 0
    seconds: float = 0.0
    network: str = "variables"
    detail: str = ""


def main() -> None:
    """Run the order on standard input."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    order = Order(**json.loads(line))
    ending = run(order, cancelled=lambda: bool(select.select([sys.stdin], [], [], 0)[0]))
    sys.stdout.write(json.dumps(asdict(ending)) + "\n")
    sys.stdout.flush()


def run(order: Order, cancelled: Callable[[], bool]) -> Ending:
    """Run a command until it ends or passes a limit; afterwards nothing of its tree exists."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _come_first()
    group = control_group(order.processes * _TASKS_A_PROCESS)
    try:
        return _watch(order, group, cancelled)
    finally:
        end_tree()
        if group is not None:
            group.remove()


def _watch(order: Order, group: ControlGroup | None, cancelled: Callable[[], bool]) -> Ending:
    began = time.monotonic()
    child, problem, ending = _start(order, group)
    if child is None:
        return Ending(cause="start", detail=problem)
    while True:
        status = _reap(child)
        family = list(_descendants(os.getpid()))
        ending.peak = max(ending.peak, sum(map(_own_memory, family)))
        if status is not None:
            ending.cause, ending.code = _outcome(status)
            break
        if (cause := _passed(order, ending.peak, len(family), time.monotonic() - began)) or cancelled():
            ending.cause = cause or "cancelled"
            break
        time.sleep(_POLL)
    ending.seconds = time.monotonic() - began
    return ending


def end_tree() -> None:
    """Kill every descendant of this process."""
    for _ in range(_FROZEN_ROUNDS):
        family = set(_descendants(os.getpid()))
        if not family:
            _reap_all()
            return
        while True:
            for pid in family:
                _signal(pid, signal.SIGSTOP)
            born = set(_descendants(os.getpid())) - family
            if not born:
                break
            family |= born
        for pid in family:
            _signal(pid, signal.SIGKILL)
        _reap_all()
        time.sleep(0.01)


def _come_first() -> None:
    """Run before whatever the step starts, where this process may say so (sched(7)); the step does not inherit it."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _passed(order: Order, peak: int, processes: int, seconds: float) -> str:
    """The limit that was passed, if any."""
    if peak > order.memory:
        return "memory"
    if processes > order.processes:
        return "processes"
    return "time" if seconds > order.seconds else ""


def _start(order: Order, group: ControlGroup | None) -> tuple[int | None, str, Ending]:
    """Fork the step; what it could not be given is told through a pipe that closes when it starts."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(order, group, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    network, _, problem = told.partition("\n")
    if problem:
        os.waitpid(child, 0)
        return None, problem, Ending()
    return child, "", Ending(network=network)


def _become(order: Order, group: ControlGroup | None, writing: int) -> None:
    """In the child: take on the limits and turn into the command. Never returns."""
    try:
        os.setsid()
        if group is not None:
            group.enter()
        limit_user(order.processes * _TASKS_A_PROCESS)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.write(writing, b"none\n" if _leave_network() else b"variables\n")
        _restrict(order.memory)
        os.chdir(order.directory)
        log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.execvpe(order.command[0], order.command, order.environment)  # noqa: S606 - from a fixed list
    except BaseException as error:  # noqa: BLE001 - nothing may return into the parent's code
        with contextlib.suppress(OSError):
            os.write(writing, f"{type(error).__name__}: {error}".encode())
    os._exit(127)


def _restrict(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # One huge allocation fails at once, between two looks; what grows page by page is seen by the looks.
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory + _SLACK
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard))
    # When the machine itself runs out, this goes before any server.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    os.nice(5)


def _leave_network() -> bool:
    """Move into a network namespace without devices (namespaces(7)); False where the kernel does not allow it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return True
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(text)
    return True


def _outcome(status: int) -> tuple[str, int]:
    if os.WIFSIGNALED(status):
        return "signal", os.WTERMSIG(status)
    return "exit", os.WEXITSTATUS(status)


def _reap(child: int) -> int | None:
    """The wait status of `child` if it has ended; adopted processes that ended are collected on the way."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == child:
            return status
        if pid == 0:
            return None


def _reap_all() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(root: int) -> Iterator[int]:
    """Pids below `root`; processes that have ended are left out."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - the quickest way, twenty times a second
        if name.isdecimal() and (stat := _stat(name)) is not None and stat[1] not in "ZX":
            children.setdefault(stat[0], []).append(int(name))
    pending = [root]
    while pending:
        found = children.get(pending.pop(), [])
        yield from found
        pending += found


def _stat(pid: str) -> tuple[int, str] | None:
    """Parent and state of a process (proc(5)); its name may hold anything, so what follows the last ")" is read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
        return int(fields[1]), fields[0].decode()
    except (OSError, IndexError, ValueError):
        return None


def _own_memory(pid: int) -> int:
    """Bytes of memory that no file backs."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            _, resident, of_files = file.read().split()[:3]
        return max(0, int(resident) - int(of_files)) * _PAGE
    except (OSError, ValueError):
        return 0


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
