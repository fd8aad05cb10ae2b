"""Wiring of `argosy convert`: the pipeline gets its interpreters, and the functions over model folders."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import argosy
from argosy.app.places import conversion_work, converted_store
from argosy.app.sources import source_models
from argosy.conversion.artifacts import Artifacts, Draft, NativeNetwork
from argosy.conversion.events import Observe
from argosy.conversion.pipeline import Conversion
from argosy.conversion.plan import ConversionRequest
from argosy.conversion.profiles import Target
from argosy.conversion.toolchain import Toolchain, find_toolchain
from argosy.server.artifacts import spec_file
from argosy.server.artifacts.adopt import plan
from argosy.server.artifacts.fetch.progress import Listener
from argosy.server.artifacts.kinds.network import Runs, plan_built
from argosy.server.artifacts.naming import default_name
from argosy.server.artifacts.places import cache_directory
from argosy.server.artifacts.readers.onnx_external import external_files
from argosy.server.artifacts.reference import parse_reference
from argosy.server.artifacts.refusals import check_no_remote_code
from argosy.server.artifacts.source import Source
from argosy.server.probe import gpus
from argosy.settings import Loaded

_GPU_TARGETS = frozenset({Target.TENSORRT, Target.ONNXRUNTIME})
_GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH")
_PCI_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""So that CUDA's first GPU is the first that the driver names."""
_TRTEXEC_PLACES = (Path("/usr/src/tensorrt/bin"), Path("/opt/tensorrt/bin"))
"""Where NVIDIA's images keep it, outside of the PATH."""
_ENVIRONMENT = Path(".work") / "convert" / "bin" / "python"


def artifacts() -> Artifacts:
    """The functions over model folders."""
    return Artifacts(
        refuse_code=lambda folder: check_no_remote_code(Source(folder)),
        find=lambda folder, name: Source(folder).find(name),
        external_files=external_files,
        describe=plan,
        describe_native=_describe_native,
        render=spec_file.render,
    )


def build_conversion(
    request: ConversionRequest, interpreter: Path, observe: Observe, environment: Mapping[str, str] | None = None
) -> Conversion:
    """A conversion ready to run.

    Args:
        request: what is asked.
        interpreter: of the conversion environment.
        observe: told of the steps.
        environment: where GPUs, their libraries and `trtexec` are found by.

    Raises:
        MissingRequirement: the conversion environment is not there or lacks something.
    """
    toolchain = find_toolchain(interpreter)
    if request.target in _GPU_TARGETS:
        toolchain = _with_gpus(toolchain, environment or {})
    return Conversion(request, toolchain, artifacts(), observe)


def _with_gpus(toolchain: Toolchain, environment: Mapping[str, str]) -> Toolchain:
    found = gpus.survey(Path("/"))
    places = os.pathsep.join([environment.get("PATH", ""), *map(str, _TRTEXEC_PLACES)])
    trtexec = shutil.which("trtexec", path=places)
    return replace(
        toolchain,
        gpus=tuple(gpu.name for gpu in found.gpus),
        gpu_problem=found.problem,
        trtexec=Path(trtexec) if trtexec else None,
        variables=_PCI_ORDER | {name: environment[name] for name in _GPU_VARIABLES if name in environment},
    )


def _describe_native(native: NativeNetwork, name: str, origin: Mapping[str, Any]) -> Draft:
    runs = Runs(native.engine, native.gpu, max_batch=native.max_batch)
    return plan_built(native.file, native.network, name, origin, runs)


def conversion_interpreter(loaded: Loaded) -> Path:
    """The configured interpreter of the conversion environment, else the one that make builds, else this one."""
    if loaded.settings.conversion_python is not None:
        return loaded.settings.conversion_python
    built = Path(argosy.__file__).parents[2] / _ENVIRONMENT
    return built if built.is_file() else Path(sys.executable)


def default_store(loaded: Loaded) -> Path:
    """Where converted entries go: the first configured model store, else a folder of the cache."""
    return converted_store(loaded.settings.model_store, cache_directory(loaded.settings.cache, loaded.environment))


def work_directory(loaded: Loaded, name: str) -> Path:
    """Where the steps of one conversion work."""
    return conversion_work(cache_directory(loaded.settings.cache, loaded.environment), name)


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be converted.

    Attributes:
        name: what the entry is called when the user does not say; raises `InvalidModelEntry` when nothing suggests it.
    """

    path: Path
    name: Callable[[], str]


def find_source(loaded: Loaded, model: str, interpreter: Path, listener: Listener) -> Found:
    """The model that the user names: a path, which wins, or a source, which is fetched unless it is in the cache.

    Raises:
        MissingRequirement: there is nothing here that could convert what would be fetched.
        InvalidModelEntry: it begins like a source and cannot be used as one, or may not be fetched.
        SourceUnavailable: it cannot be fetched, or may not be because this process is offline.
        ConfigurationError: the cache cannot be written.
    """
    path = Path(model).expanduser()
    if path.exists() or (reference := parse_reference(model)) is None:
        return Found(path, partial(default_name, path))
    find_toolchain(interpreter)
    folder = source_models(loaded, listener).folder(reference)
    return Found(folder, lambda: reference.name)
