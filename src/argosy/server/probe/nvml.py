"""Reads NVML and prints what it says as JSON: `python -m argosy.server.probe.nvml`.

Every value is asked for by itself: an old driver, a virtual GPU or a MIG instance lacks some of them, and what is
lacking stays empty. Source: NVIDIA's NVML API reference; the binding is `nvidia-ml-py`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import pynvml

from argosy.server.probe.gpus import Gpu, Gpus, Slice

_MIB = 1 << 20
T = TypeVar("T")


def read(environment: Mapping[str, str]) -> Gpus:
    """What NVML says of the GPUs that this process may use; never fails.

    Args:
        environment: `CUDA_VISIBLE_DEVICES` is looked up here.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(problem=f"NVML: {error}")
    try:
        count = pynvml.nvmlDeviceGetCount()
        found = tuple(gpu for index in range(count) if (gpu := _gpu(index)) is not None)
        version = _get(pynvml.nvmlSystemGetCudaDriverVersion, default=0)
        return Gpus(
            gpus=tuple(_visible(found, environment.get("CUDA_VISIBLE_DEVICES"))),
            driver=_get(pynvml.nvmlSystemGetDriverVersion, default=""),
            # 12040 is 12.4.
            cuda=f"{version // 1000}.{version % 1000 // 10}" if version else "",
        )
    except pynvml.NVMLError as error:
        return Gpus(problem=f"NVML: {error}")
    finally:
        _get(pynvml.nvmlShutdown, default=None)


def _gpu(index: int) -> Gpu | None:
    """One GPU, or None for one that does not answer at all ("fallen off the bus")."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError:
        return None
    memory = _get(pynvml.nvmlDeviceGetMemoryInfo, handle, default=None)
    rates = _get(pynvml.nvmlDeviceGetUtilizationRates, handle, default=None)
    pci = _get(pynvml.nvmlDeviceGetPciInfo, handle, default=None)
    current, _ = _get(pynvml.nvmlDeviceGetMigMode, handle, default=[0, 0])
    divided = current == pynvml.NVML_DEVICE_MIG_ENABLE
    return Gpu(
        index=index,
        name=_get(pynvml.nvmlDeviceGetName, handle, default="NVIDIA GPU"),
        # The device stands in the upper half, the vendor in the lower.
        pci_device=f"{pci.pciDeviceId >> 16:04x}:{pci.pciDeviceId & 0xFFFF:04x}" if pci is not None else "",
        memory=int(memory.total) if memory is not None else 0,
        free=int(memory.free) if memory is not None else 0,
        utilization=int(rates.gpu) if rates is not None else None,
        capability=_get(pynvml.nvmlDeviceGetCudaComputeCapability, handle, default=None),
        uuid=_get(pynvml.nvmlDeviceGetUUID, handle, default=""),
        mig=divided,
        slices=tuple(_slices(handle)) if divided else (),
    )


def _slices(handle: Any) -> Iterator[Slice]:
    for number in range(_get(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle, default=0)):
        # Most numbers are not in use; the library says so by an error.
        instance = _get(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number, default=None)
        if instance is None:
            continue
        memory = _get(pynvml.nvmlDeviceGetMemoryInfo, instance, default=None)
        attributes = _get(pynvml.nvmlDeviceGetAttributes, instance, default=None)
        total = int(memory.total) if memory is not None else 0
        if not total and attributes is not None:
            total = int(attributes.memorySizeMB) * _MIB
        yield Slice(
            name=_get(pynvml.nvmlDeviceGetName, instance, default="MIG"),
            memory=total,
            free=int(memory.free) if memory is not None else total,
            uuid=_get(pynvml.nvmlDeviceGetUUID, instance, default=""),
        )


def _visible(found: tuple[Gpu, ...], chosen: str | None) -> Iterator[Gpu]:
    """The GPUs that `CUDA_VISIBLE_DEVICES` leaves, in its order; CUDA stops at the first name that it does not know."""
    if chosen is None:
        yield from found
        return
    for word in map(str.strip, chosen.split(",")):
        gpu = next((gpu for gpu in found if word == str(gpu.index) or _names(word, gpu.uuid)), None)
        if gpu is None:
            return
        yield gpu


def _names(word: str, uuid: str) -> bool:
    return word.startswith("GPU-") and uuid.startswith(word)


def _get(function: Callable[..., T], *arguments: Any, default: T) -> T:
    try:
        return function(*arguments)
    except (pynvml.NVMLError, UnicodeDecodeError):
        return default


def main() -> None:
    """Print the answer."""
    json.dump(asdict(read(os.environ)), sys.stdout)


if __name__ == "__main__":
    main()
