"""The machine as this process sees it."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from argosy.server.probe import parse

_SMI_SECONDS = 10.0
_SMALL_MACHINE = 4


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine offers to this process.

    Attributes:
        processors: logical processors that this process may run on (its affinity).
        quota: processors' worth of time that its control groups grant, or None without a limit.
        memory: bytes that it may use: the machine's, or less where a control group says so.
        features: of `avx2`, `avx512`, `vnni`, `bf16`, `amx`, `neon`, `i8mm`, `sve`, those the processor has.
        shared_memory: bytes of `/dev/shm`, 0 when there is none.
        openvino: version, empty when it is not installed.
        devices: what OpenVINO can run on; empty unless asked for.
        gpus: NVIDIA GPUs by model.
    """

    architecture: str
    cpu_vendor: str
    cpu_model: str
    features: frozenset[str]
    processors: int
    quota: float | None
    memory: int
    shared_memory: int
    python: str
    numpy: str
    openvino: str
    devices: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()

    @property
    def cores(self) -> int:
        """Whole processors that can be kept busy, at least 1."""
        granted = self.processors if self.quota is None else min(self.processors, math.floor(self.quota))
        return max(1, granted)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "features": sorted(self.features), "cores": self.cores}


def probe(root: Path = Path("/"), *, devices: bool = False) -> Host:
    """Look at the machine. Takes milliseconds, never fails: what cannot be read is left empty.

    Args:
        root: where `proc`, `sys` and `dev` are.
        devices: also ask OpenVINO for its devices, which imports it (about a second).
    """
    processor = parse.cpuinfo(_read(root / "proc/cpuinfo"))
    memory = parse.meminfo(_read(root / "proc/meminfo"))
    return Host(
        architecture=platform.machine(),
        cpu_vendor=processor.vendor,
        cpu_model=processor.model,
        features=processor.features,
        processors=len(os.sched_getaffinity(0)),
        quota=cpu_quota(root),
        memory=min(memory, memory_limit(root) or memory),
        shared_memory=_shared_memory(root / "dev/shm"),
        python=platform.python_version(),
        numpy=_version("numpy"),
        openvino=_version("openvino"),
        devices=_openvino_devices() if devices else (),
        gpus=gpus(root),
    )


def recommended_engine_threads(host: Host) -> int:
    """Threads that an engine may keep busy: every processor on small machines, one fewer from five on.

    Triton, its model processes and the gateway run beside the engines. A model process that gets no time for a second
    while it holds a request makes Triton 2.51 crash at the next one. On few processors the scheduler's fair shares
    prevent that, and a processor kept free costs a large part of the work done: with one of two processors kept free,
    64 clients got half of what the engine can do, with none four fifths and more (`bench`, row "embeddings").
    """
    return host.cores if host.cores <= _SMALL_MACHINE else host.cores - 1


def recommended_workers(host: Host) -> int:
    """Gateway processes: one for each four processors, from 1 to 8.

    One process handles some thousand requests a second, more than the engine beside it answers on a few processors.
    """
    return min(8, max(1, host.cores // 4))


def cpu_quota(root: Path) -> float | None:
    """The tightest limit of processor time on the way from this process's control group to the root, or None."""
    limits: list[float | None] = []
    for folder in _cgroup_folders(root, "cpu"):
        limits.append(parse.cpu_max(_read(folder / "cpu.max")))
        limits.append(parse.cfs_quota(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")))
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit(root: Path) -> int | None:
    """The tightest limit of memory on the way from this process's control group to the root, or None."""
    limits: list[int | None] = []
    for folder in _cgroup_folders(root, "memory"):
        limits += [parse.memory_max(_read(folder / name)) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((limit for limit in limits if limit is not None), default=None)


def gpus(root: Path) -> tuple[str, ...]:
    """NVIDIA GPUs by model: the driver's own list, else what `nvidia-smi` says; empty without either."""
    driver = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    return tuple(parse.gpu_model(_read(path)) for path in driver) or _smi()


def _cgroup_folders(root: Path, controller: str) -> Iterator[Path]:
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


def _smi() -> tuple[str, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_SMI_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())


def _openvino_devices() -> tuple[str, ...]:
    try:
        import openvino  # noqa: PLC0415 - takes a second; only doctor asks
    except ImportError:
        return ()
    try:
        return tuple(openvino.Core().available_devices)
    except RuntimeError:
        return ()


def _shared_memory(directory: Path) -> int:
    try:
        status = os.statvfs(directory)
    except OSError:
        return 0
    return status.f_blocks * status.f_frsize


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
