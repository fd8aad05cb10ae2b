"""A TensorRT engine (`.plan`, `.engine`) that was built elsewhere: task tensor, on Triton's TensorRT backend.

Only TensorRT can read what is in it, and only on the GPU it was built for. So its tensors are left out of the config,
and Triton's backend fills them in as it loads the engine. Engines made by `argosy convert` have theirs written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argosy.core.models import ModelSpec, ProfileSpec, Task
from argosy.engines.native import NATIVE
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.plan import Plan

ENGINE = "tensorrt"
SUFFIXES = (".plan", ".engine")
_UNKNOWN = ProfileSpec("unknown", "unknown")


def is_engine(path: Path) -> bool:
    """Whether the file's name says that it is a TensorRT engine."""
    return path.suffix.lower() in SUFFIXES


def plan_engine(path: Path, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry of a TensorRT engine; the file is not read."""
    file = NATIVE[ENGINE].file
    source = {**origin, "device": "gpu"}
    spec = ModelSpec(name=name, task=Task.TENSOR, engine=ENGINE, model=file, source=source, profile=_UNKNOWN)
    return Plan(spec, triton_config.render(spec), {file: path})
