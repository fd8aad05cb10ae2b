"""How the profiles of each engine are built, described and judged: what of a conversion depends on the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from argosy.conversion.artifacts import Artifacts, Draft, NativeNetwork
from argosy.conversion.plan import (
    NETWORK_FILE,
    ConversionRequest,
    Material,
    build_step,
    build_tensorrt_step,
    type_step,
    validate_onnxruntime_step,
    validate_step,
    validate_tensorrt_step,
)
from argosy.conversion.profiles import BuildProfile, Target
from argosy.conversion.stepping import Step, StepRunner
from argosy.conversion.toolchain import Toolchain

_WEIGHTS = frozenset({".bin", ".xml"})
_CUDA_RUNTIME = "onnxruntime-gpu"


@dataclass(frozen=True, slots=True)
class Product:
    """One built profile.

    Attributes:
        draft: the entry as the built files describe it.
        size: bytes of the network's files.
        validate: the step that judges it, for the entry as a mapping.
    """

    draft: Draft
    size: int
    validate: Callable[[Mapping[str, Any]], Step]


class Build(Protocol):
    """Builds for one engine.

    Attributes:
        steps: that each profile takes, judging included.
    """

    steps: int

    async def build(
        self, runner: StepRunner, material: Material, profile: BuildProfile, origin: Mapping[str, Any]
    ) -> Product:
        """Build one profile; `origin` is what the entry says of where it comes from.

        Raises:
            ConversionFailed: a step failed.
            InvalidModelEntry: what was built cannot be served.
        """
        ...


def build_for(request: ConversionRequest, toolchain: Toolchain, artifacts: Artifacts) -> Build:
    """What builds for the engine that the request names."""
    match request.target:
        case Target.TENSORRT:
            return TensorRTBuild(request, toolchain, artifacts)
        case Target.ONNXRUNTIME:
            return OnnxRuntimeBuild(request, toolchain, artifacts)
        case _:
            return OpenVINOBuild(request, artifacts)


class OpenVINOBuild:
    """OpenVINO IR, judged by the engine that serves it."""

    steps = 2

    def __init__(self, request: ConversionRequest, artifacts: Artifacts) -> None:
        self._request = request
        self._artifacts = artifacts

    async def build(
        self, runner: StepRunner, material: Material, profile: BuildProfile, origin: Mapping[str, Any]
    ) -> Product:
        """See `Build`."""
        built = (await runner.run(build_step(material, profile))).output
        source = built / NETWORK_FILE if material.admitted.kind.served_by_tensors else built
        draft = await asyncio.to_thread(self._artifacts.describe, source, self._request.name, origin)
        return Product(
            draft,
            sum(path.stat().st_size for path in built.iterdir() if path.suffix in _WEIGHTS),
            lambda entry: validate_step(material, entry, profile, self._request.threads),
        )


class OnnxRuntimeBuild:
    """The typed ONNX network itself, judged by ONNX Runtime: on a GPU where there is one and the library can use it."""

    steps = 2

    def __init__(self, request: ConversionRequest, toolchain: Toolchain, artifacts: Artifacts) -> None:
        self._request = request
        self._artifacts = artifacts
        self._gpu = bool(toolchain.gpus) and _CUDA_RUNTIME in toolchain.found

    async def build(
        self, runner: StepRunner, material: Material, profile: BuildProfile, origin: Mapping[str, Any]
    ) -> Product:
        """See `Build`."""
        typed = (await runner.run(type_step(material, profile))).output
        network = typed / "model.onnx"
        native = NativeNetwork("onnxruntime", network, material.network, self._gpu, self._request.max_batch)
        draft = await asyncio.to_thread(self._artifacts.describe_native, native, self._request.name, origin)
        return Product(
            draft,
            _size(typed),
            lambda _: validate_onnxruntime_step(material, network, profile, self._request.threads, gpu=self._gpu),
        )


class TensorRTBuild:
    """A TensorRT engine for the first GPU of this machine, judged by TensorRT's runtime on it."""

    steps = 3

    def __init__(self, request: ConversionRequest, toolchain: Toolchain, artifacts: Artifacts) -> None:
        self._request = request
        self._artifacts = artifacts
        self._trtexec = None if toolchain.tensorrt else toolchain.trtexec
        self._gpus = toolchain.gpus

    async def build(
        self, runner: StepRunner, material: Material, profile: BuildProfile, origin: Mapping[str, Any]
    ) -> Product:
        """See `Build`."""
        typed = await runner.run(type_step(material, profile))
        step = build_tensorrt_step(material, typed, profile, self._request, self._trtexec)
        built = await runner.run(step)
        plan = built.output / "model.plan"
        where = {**origin, "gpu": self._gpus[0], "tensorrt": str(built.answer["tensorrt"])}
        native = NativeNetwork("tensorrt", plan, material.network, gpu=True, max_batch=self._request.max_batch)
        draft = await asyncio.to_thread(self._artifacts.describe_native, native, self._request.name, where)
        return Product(
            draft,
            plan.stat().st_size,
            lambda _: validate_tensorrt_step(material, plan, profile, self._request, self._trtexec),
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
