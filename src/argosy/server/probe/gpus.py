"""NVIDIA GPUs, asked of NVML in a process of its own.

NVML is the driver's library. A driver in trouble makes its calls hang or crash, so a child process asks, within a
deadline, and only where the library can be loaded at all. Source: NVIDIA's NVML API reference.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.server.probe import parse

_LIBRARY = "libnvidia-ml.so.1"
_SECONDS = 15.0
_KILL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Slice:
    """A MIG instance: a part of a GPU that programs see as a GPU of its own.

    Attributes:
        memory: bytes.
        free: bytes that nobody uses.
    """

    name: str
    memory: int
    free: int
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. What NVML does not tell is empty, 0 or None.

    Attributes:
        index: NVML's number, in the order of the PCI bus.
        name: product name, such as "NVIDIA H100 80GB HBM3".
        pci_device: PCI device and vendor in hexadecimal, "2330:10de".
        memory: bytes.
        free: bytes that nobody uses.
        utilization: percent of the last sample period in which a kernel ran.
        capability: CUDA compute capability, (9, 0).
        mig: whether it is divided into instances; programs then see those only.
    """

    index: int
    name: str
    pci_device: str = ""
    memory: int = 0
    free: int = 0
    utilization: int | None = None
    capability: tuple[int, int] | None = None
    uuid: str = ""
    mig: bool = False
    slices: tuple[Slice, ...] = ()

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Gpu:
        """The inverse of `dataclasses.asdict`, for data that came as JSON.

        Raises:
            TypeError: a key is missing or unknown.
        """
        values = dict(data)
        if values.get("capability") is not None:
            major, minor = values["capability"]
            values["capability"] = (int(major), int(minor))
        values["slices"] = tuple(Slice(**item) for item in values.get("slices") or ())
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Gpus:
    """What is known of the GPUs of a machine.

    Attributes:
        driver: the driver's version, "550.54.15"; empty without a driver.
        cuda: the newest CUDA that the driver can run, "12.4".
        problem: why NVML did not answer although its library is there; empty when it did, or when there is none.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: str = ""
    problem: str = ""


def survey(root: Path = Path("/")) -> Gpus:
    """The GPUs of this machine; never fails.

    Args:
        root: where `proc` is. NVML is asked only for the machine itself.
    """
    answered = _ask() if root == Path("/") else Gpus()
    if answered.gpus:
        return answered
    # The kernel's module names its GPUs even where the container lacks the library.
    listed = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    named = tuple(Gpu(index, _model(path)) for index, path in enumerate(listed))
    problem = answered.problem or (f"{_LIBRARY} is not here" if named else "")
    return Gpus(named, answered.driver, answered.cuda, problem)


def _ask() -> Gpus:
    """What NVML says, or nothing where there is none."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return Gpus()
    command = [sys.executable, "-m", "argosy.server.probe.nvml"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        output, _ = child.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        # A process that waits for a broken driver cannot be killed; nobody waits for it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=_KILL_SECONDS)
        return Gpus(problem=f"NVML did not answer within {_SECONDS:g} s")
    try:
        answer = json.loads(output)
        return Gpus(
            tuple(Gpu.from_mapping(item) for item in answer["gpus"]),
            answer["driver"],
            answer["cuda"],
            answer["problem"],
        )
    except (ValueError, KeyError, TypeError):
        return Gpus(problem=f"NVML ended with status {child.returncode}")


def _model(path: Path) -> str:
    try:
        return parse.gpu_model(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return parse.gpu_model("")
