"""Triton's own backends as engines: they have names and options, and no class of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.engines.contract import EngineOptions
from argosy.engines.deployment import TRITON_OPTIONS
from argosy.engines.native import NATIVE, backend_of
from argosy.engines.registry import ENGINES, create, deployment_options, features


def test_the_backend_has_the_engines_own_name() -> None:
    """Engines of ours are hosted by a backend named after them."""
    assert backend_of("onnxruntime") == "onnxruntime"
    assert backend_of("tensorrt") == "tensorrt"
    assert backend_of("openvino") == "argosy_openvino"


@pytest.mark.parametrize("engine", sorted(NATIVE))
def test_options_are_those_that_triton_carries_out(engine: str) -> None:
    """And there are no generations, so there are no features of them."""
    assert deployment_options(engine) == TRITON_OPTIONS
    assert features(engine) == frozenset()


def test_no_python_process_runs_them(tmp_path: Path) -> None:
    """A config that sends such a model to a host of ours is told what it should say."""
    spec = ModelSpec(name="m", task=Task.TENSOR, engine="onnxruntime")
    with pytest.raises(InvalidModelEntry, match='backend: "onnxruntime"'):
        create(spec, EngineOptions(tmp_path))


def test_no_engine_of_ours_takes_their_names() -> None:
    """A name means one thing."""
    assert not NATIVE.keys() & ENGINES.keys()
