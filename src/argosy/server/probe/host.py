"""The machine as this process sees it."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidSetting
from argosy.server.probe import parse
from argosy.server.probe.cgroups import cpu_quota, memory_limit
from argosy.server.probe.gpus import Gpu, Gpus, survey
from argosy.server.probe.software import Engine, engines, version
from argosy.server.probe.triton import Triton, find

_SMALL_MACHINE = 4
_DEVICES_SECONDS = 60.0
_DEVICES = "import json, openvino as o; print(json.dumps(o.Core().available_devices))"
_LARGEST_FILE = 1 << 20
_NEEDED = ("architecture", "processors", "memory")


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine offers to this process.

    Attributes:
        processors: logical processors that this process may run on (its affinity).
        quota: processors' worth of time that its control groups grant, or None without a limit.
        memory: bytes that it may use: the machine's, or less where a control group says so; 0 when unknown.
        features: of `avx2`, `avx512`, `vnni`, `bf16`, `amx`, `neon`, `i8mm`, `sve`, those the processor has.
        shared_memory: bytes of `/dev/shm`, 0 when there is none.
        openvino: version, empty when it is not installed.
        devices: what OpenVINO can run on; empty unless asked for.
        gpus: NVIDIA GPUs that this process may use.
        driver: version of the NVIDIA driver, empty without one.
        cuda: the newest CUDA that the driver can run.
        gpu_problem: why little or nothing is known of the GPUs; empty when all is well.
        engines: what can run models here.
        triton: the Triton that would be started, or None.
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
    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: str = ""
    gpu_problem: str = ""
    engines: tuple[Engine, ...] = ()
    triton: Triton | None = None

    @property
    def cores(self) -> int:
        """Whole processors that can be kept busy, at least 1."""
        granted = self.processors if self.quota is None else min(self.processors, math.floor(self.quota))
        return max(1, granted)

    def engine(self, name: str) -> Engine | None:
        """The installed engine of that name, or None."""
        return next((engine for engine in self.engines if engine.name == name), None)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "features": sorted(self.features), "cores": self.cores}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Host:
        """A host described by `to_mapping`, or by hand: only architecture, processors and memory must be said.

        Raises:
            InvalidSetting: a key is missing or unknown, or has a value that cannot be used.
        """
        known = {field.name for field in fields(cls)}
        if strangers := sorted(data.keys() - known - {"cores"}):
            raise InvalidSetting(f"A described host has no {', '.join(strangers)}; its keys are {_list(known)}.")
        if missing := [key for key in _NEEDED if key not in data]:
            raise InvalidSetting(f"A described host must say its {', '.join(missing)}.")
        values: dict[str, Any] = dict.fromkeys(("cpu_vendor", "cpu_model", "python", "numpy", "openvino"), "")
        values |= {"features": (), "quota": None, "shared_memory": 0}
        values |= {key: value for key, value in data.items() if key in known}
        try:
            values["features"] = frozenset(map(str, values["features"]))
            values["processors"], values["memory"] = int(values["processors"]), int(values["memory"])
            values["devices"] = tuple(values.get("devices") or ())
            values["gpus"] = tuple(Gpu.from_mapping(item) for item in values.get("gpus") or ())
            values["engines"] = tuple(
                Engine(
                    str(item["name"]),
                    str(item["version"]),
                    tuple(item["devices"]),
                    tuple(map(str, item.get("missing") or ())),
                )
                for item in values.get("engines") or ()
            )
            values["triton"] = Triton.from_mapping(values["triton"]) if values.get("triton") else None
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise InvalidSetting(f"A described host has a value that cannot be used: {error!r}.") from None
        return cls(**values)


def read_host(path: Path) -> Host:
    """The host described by a JSON file; what `argosy doctor --json` prints is one.

    Raises:
        InvalidSetting: the file cannot be read, or describes no host.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidSetting(f"{path} is larger than 1 MiB, which no description of a host is.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidSetting(f"{path} cannot be read as a host: {error}. Make one: argosy doctor --json") from None
    described = data.get("host", data) if isinstance(data, dict) else None
    if not isinstance(described, dict):
        raise InvalidSetting(f"{path} must hold a JSON mapping. Make one: argosy doctor --json > {path}")
    try:
        return Host.from_mapping(described)
    except InvalidSetting as error:
        raise InvalidSetting(f"{path}: {error.message}") from None


def probe(
    root: Path = Path("/"),
    *,
    devices: bool = False,
    tritonserver: Path | None = None,
    interpreters: Mapping[str, Path] | None = None,
) -> Host:
    """Look at the machine. Takes milliseconds (with GPUs about a second), never fails: the unknown is left empty.

    Args:
        root: where `proc`, `sys` and `dev` are.
        devices: also ask OpenVINO for its devices, in a process of its own (about a second).
        tritonserver: the Triton program that the settings name, or None for the wheel's.
        interpreters: the Python programs of engines that have an environment of their own, by engine.
    """
    processor = parse.cpuinfo(_read(root / "proc/cpuinfo"))
    memory = parse.meminfo(_read(root / "proc/meminfo"))
    graphics: Gpus = survey(root)
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
        numpy=version("numpy"),
        openvino=version("openvino"),
        devices=openvino_devices() if devices else (),
        gpus=graphics.gpus,
        driver=graphics.driver,
        cuda=graphics.cuda,
        gpu_problem=graphics.problem,
        engines=engines(interpreters),
        triton=find(tritonserver),
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


def openvino_devices() -> tuple[str, ...]:
    """What OpenVINO can run on. Another process asks: a broken driver of a device may end it."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _DEVICES], capture_output=True, timeout=_DEVICES_SECONDS, check=True
        )
        return tuple(map(str, json.loads(done.stdout.splitlines()[-1])))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError):
        return ()


def _shared_memory(directory: Path) -> int:
    try:
        status = os.statvfs(directory)
    except OSError:
        return 0
    return status.f_blocks * status.f_frsize


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
