"""What a running Triton consists of: its process, its model processes, their shared memory.

Linux only: reads /proc. The members are written to a file in the run directory whenever they change, so that the
next start can clean up after an Argosy that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STUB_PROGRAM = "triton_python_backend_stub"
SHOW_STACKS = signal.SIGUSR2
"""Makes a model process of ours write what its threads do into Triton's log; one that is not ready for it ends."""
_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the fixed name of POSIX shared memory on Linux


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the server.

    Attributes:
        started: kernel ticks since boot; with `pid` it names a process for ever, where `pid` alone is reused.
        model: whose model process it is, empty for others.
        shared_memory: name of its region in /dev/shm, empty for others.
    """

    pid: int
    started: int
    model: str = ""
    shared_memory: str = ""

    @property
    def alive(self) -> bool:
        """Whether this very process still exists and is not a zombie."""
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state not in "ZX"

    def show_stacks(self) -> None:
        """Ask a model process of ours what it does; see SHOW_STACKS."""
        if self.alive:
            _signal(self.pid, SHOW_STACKS)

    def kill(self) -> None:
        """SIGKILL, unless the process is gone."""
        if self.alive:
            _signal(self.pid, signal.SIGKILL)


def members(leader: int) -> frozenset[Member]:
    """The process `leader`, its process group, and every descendant of it, zombies excluded."""
    stats = {stat.pid: stat for stat in _all_stats()}
    family = _descendants(stats, {pid for pid, stat in stats.items() if leader in {pid, stat.group}})
    return frozenset(_member(stats[pid]) for pid in family if stats[pid].state not in "ZX")


def busy_ticks(processes: Iterable[Member]) -> int:
    """Processor time that the processes and their descendants have used so far, kernel ticks."""
    stats = {stat.pid: stat for stat in _all_stats()}
    present = {member.pid for member in processes if stats.get(member.pid, _NOBODY).started == member.started}
    return sum(stats[pid].ticks for pid in _descendants(stats, present))


def resident_bytes(leader: int) -> dict[str, int]:
    """Memory of the model processes below `leader` by model, with everything below each of them.

    Pages that processes share, of the engine's libraries above all, count for each.
    """
    stats = {stat.pid: stat for stat in _all_stats()}
    sizes: dict[str, int] = {}
    for pid in _descendants(stats, {leader} & stats.keys()):
        member = _member(stats[pid])
        if member.model:
            family = _descendants(stats, {pid})
            sizes[member.model] = sizes.get(member.model, 0) + sum(stats[each].pages for each in family) * _PAGE
    return sizes


def orphans(backends: Path) -> frozenset[Member]:
    """Model processes started from the backend directory `backends`, whoever their parent is now."""
    program = f"{backends}/python/{STUB_PROGRAM}"
    return frozenset(
        _member(stat) for stat in _all_stats() if stat.state not in "ZX" and _arguments(stat.pid)[:1] == [program]
    )


def destroy(group: int, found: Iterable[Member]) -> None:
    """SIGKILL a process group and the given members, and remove their shared memory."""
    found = list(found)
    if group > 0:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for member in found:
        member.kill()
    sweep(member.shared_memory for member in found)


def sweep(names: Iterable[str]) -> None:
    """Remove shared memory regions by name; missing ones are ignored."""
    for name in names:
        # A name from a record file must not lead out of the directory.
        if name and name == Path(name).name:
            (_SHARED_MEMORY / name).unlink(missing_ok=True)


class Record:
    """The file that lists what this Argosy started."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: frozenset[Member] = frozenset()

    def add(self, found: frozenset[Member]) -> frozenset[Member]:
        """Remember `found` for good; returns everything remembered so far."""
        if not found <= self._written:
            self._written |= found
            staged = self._path.with_suffix(".new")
            staged.write_text(json.dumps([asdict(member) for member in self._written]), encoding="utf-8")
            staged.replace(self._path)
        return self._written

    def clear(self) -> None:
        """Everything remembered is gone."""
        self._written = frozenset()
        self._path.unlink(missing_ok=True)

    def left_over(self) -> frozenset[Member]:
        """What an earlier Argosy wrote; a damaged file counts as empty."""
        try:
            data: Any = json.loads(self._path.read_text(encoding="utf-8"))
            return frozenset(Member(**item) for item in data)
        except (OSError, ValueError, TypeError):
            return frozenset()


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    state: str
    parent: int
    group: int
    ticks: int
    started: int
    pages: int


_NOBODY = _Stat(pid=0, state="X", parent=0, group=0, ticks=0, started=-1, pages=0)


def _descendants(stats: Mapping[int, _Stat], roots: set[int]) -> set[int]:
    """`roots` and everything below them."""
    family, generation = set(roots), roots
    while generation:
        generation = {pid for pid, stat in stats.items() if stat.parent in generation} - family
        family |= generation
    return family


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets and may itself hold brackets and blanks.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        ticks=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
        pages=int(fields[21]),
    )


def _all_stats() -> list[_Stat]:
    found = (_stat(int(name)) for name in os.listdir(_PROC) if name.isdecimal())  # noqa: PTH208 - far faster
    return [stat for stat in found if stat is not None]


def _member(stat: _Stat) -> Member:
    arguments = _arguments(stat.pid)
    # stub <model path> <region> <size> <growth> <parent> <backend> <handle> <instance> <runtime directory>
    if len(arguments) > 2 and Path(arguments[0]).name == STUB_PROGRAM:
        path = Path(arguments[1])
        return Member(stat.pid, stat.started, path.parent.parent.name, arguments[2])
    return Member(stat.pid, stat.started)


def _arguments(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
