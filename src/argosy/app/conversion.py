"""Wiring of `argosy convert`: the pipeline gets its interpreters, and the functions over model folders."""

from __future__ import annotations

import sys
from pathlib import Path

import argosy
from argosy.conversion.artifacts import Artifacts
from argosy.conversion.events import Observe
from argosy.conversion.pipeline import Conversion
from argosy.conversion.plan import ConversionRequest
from argosy.conversion.toolchain import find_toolchain
from argosy.server.artifacts import spec_file
from argosy.server.artifacts.adopt import plan
from argosy.server.artifacts.naming import default_name
from argosy.server.artifacts.places import cache_directory
from argosy.server.artifacts.readers.onnx_external import external_files
from argosy.server.artifacts.refusals import check_no_remote_code
from argosy.server.artifacts.source import Source
from argosy.settings import Loaded

_ENVIRONMENT = Path(".work") / "convert" / "bin" / "python"


def artifacts() -> Artifacts:
    """The functions over model folders."""
    return Artifacts(
        refuse_code=lambda folder: check_no_remote_code(Source(folder)),
        find=lambda folder, name: Source(folder).find(name),
        external_files=external_files,
        describe=plan,
        render=spec_file.render,
    )


def build_conversion(request: ConversionRequest, interpreter: Path, observe: Observe) -> Conversion:
    """A conversion ready to run.

    Raises:
        MissingRequirement: the conversion environment is not there or lacks something.
    """
    return Conversion(request, find_toolchain(interpreter), artifacts(), observe)


def conversion_interpreter(loaded: Loaded) -> Path:
    """The configured interpreter of the conversion environment, else the one that make builds, else this one."""
    if loaded.settings.conversion_python is not None:
        return loaded.settings.conversion_python
    built = Path(argosy.__file__).parents[2] / _ENVIRONMENT
    return built if built.is_file() else Path(sys.executable)


def default_store(loaded: Loaded) -> Path:
    """Where converted entries go: the first configured model store, else a folder of the cache."""
    stores = loaded.settings.model_store
    return stores[0] if stores else cache_directory(loaded.settings.cache, loaded.environment) / "converted"


def work_directory(loaded: Loaded, name: str) -> Path:
    """Where the steps of one conversion work."""
    return cache_directory(loaded.settings.cache, loaded.environment) / "conversions" / name


def name_for(source: Path) -> str:
    """What the entry is called when the user does not say.

    Raises:
        InvalidModelEntry: the path suggests nothing.
    """
    return default_name(source)
