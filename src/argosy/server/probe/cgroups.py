"""What this process's control groups grant it.

Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from argosy.server.probe import parse


def cpu_quota(root: Path) -> float | None:
    """The tightest limit of processor time on the way from this process's control group to the root, or None."""
    limits: list[float | None] = []
    for folder in _folders(root, "cpu"):
        limits.append(parse.cpu_max(_read(folder / "cpu.max")))
        limits.append(parse.cfs_quota(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")))
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit(root: Path) -> int | None:
    """The tightest limit of memory on the way from this process's control group to the root, or None."""
    limits: list[int | None] = []
    for folder in _folders(root, "memory"):
        limits += [parse.memory_max(_read(folder / name)) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((limit for limit in limits if limit is not None), default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """This process's group and those above it, in both versions.

    In a container the path is often the one outside, which the mount inside lacks; walking up ends at the mount's
    root, which then is the container's own group.
    """
    paths = parse.cgroups(_read(root / "proc/self/cgroup"))
    mount = root / "sys/fs/cgroup"
    for key, base in (("", mount), ("", mount / "unified"), (controller, mount / controller)):
        if key in paths:
            group = base / paths[key].lstrip("/")
            # A path that leads out ("/../..") names a group above the container's own mount.
            inside = ".." not in paths[key].split("/")
            for folder in (group, *group.parents) if inside else (base,):
                if folder == base or folder.is_relative_to(base):
                    yield folder


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
