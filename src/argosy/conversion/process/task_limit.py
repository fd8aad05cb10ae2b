"""Bounds how many processes and threads a step can ever have at once, by the kernel and before it starts.

Looking at a tree twenty times a second is too slow for one that doubles in milliseconds: what watches it would have to
share the processors with thousands. So the kernel refuses to make more: the `pids` controller of a control group where
one can be made (version 2 or version 1), RLIMIT_NPROC where it binds, which it does not for root.

Source: cgroups(7), "PID controller" of the kernel's cgroup-v2 documentation, getrlimit(2).
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "argosy-"


@dataclass(frozen=True)
class ControlGroup:
    """A control group of its own for one step.

    Attributes:
        path: its folder.
    """

    path: Path

    def enter(self) -> None:
        """Move the calling process into it; its children follow."""
        (self.path / "cgroup.procs").write_text("0", encoding="ascii")

    def remove(self) -> None:
        """Remove it; what still runs keeps it, and a later step sweeps it up."""
        with contextlib.suppress(OSError):
            self.path.rmdir()


def control_group(tasks: int) -> ControlGroup | None:
    """A control group that never holds more than `tasks` processes and threads; None where none can be made."""
    for parent in _parents():
        _sweep(parent)
        path = parent / f"{_PREFIX}{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        try:
            (path / "pids.max").write_text(str(tasks), encoding="ascii")
        except OSError:
            path.rmdir()
            continue
        return ControlGroup(path)
    return None


def limit_user(tasks: int) -> None:
    """Let the calling process's user have `tasks` more than the machine has now; root is not bound by it."""
    existing = int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = existing + tasks
    bounded = [wanted, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_NPROC, (min(bounded), hard))


def _parents() -> Iterator[Path]:
    """This process's own control group, in each hierarchy that may count processes."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    for fields in mounts:
        kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
        for _, controllers, path in groups:
            unified = kind == "cgroup2" and not controllers
            counting = kind == "cgroup" and "pids" in options and "pids" in controllers.split(",")
            if unified or counting:
                yield Path(fields[4]) / path.lstrip("/")


def _sweep(parent: Path) -> None:
    """Remove the groups of processes that were killed before they could."""
    with contextlib.suppress(OSError):
        for left in parent.glob(f"{_PREFIX}*"):
            number = left.name.removeprefix(_PREFIX)
            if number.isdecimal() and not Path("/proc", number).exists():
                ControlGroup(left).remove()
