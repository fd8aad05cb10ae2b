"""Models of Triton's own backends, before Triton sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.native_models import host_parameters, needs_completion, obstacle
from argosy.store.entries import ModelEntry, read_entry
from tests.suites.echo_models import echo_tensors

WHOLE = """
backend: "onnxruntime"
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


def native(store: Path, engine: str, config: str = WHOLE) -> ModelEntry:
    """An entry of a native backend; the network itself does not matter here."""
    directory = store / engine
    (directory / "1").mkdir(parents=True)
    (directory / "config.pbtxt").write_text(config)
    (directory / "argosy.yaml").write_text(f"schema: 1\nname: {engine}\ntask: tensor\nengine: {engine}\n")
    return read_entry(directory)


@pytest.fixture
def wheel(tmp_path: Path) -> TritonInstallation:
    """A Triton that has the python backend only."""
    place = tmp_path / "tritonserver"
    return TritonInstallation(place, place, (), place, None, (), place, "wheel")


def test_a_backend_that_is_missing_is_named_with_the_remedy(wheel: TritonInstallation, tmp_path: Path) -> None:
    """The message says which, what there is, and the setting that names another Triton."""
    reason = obstacle(native(tmp_path, "onnxruntime"), wheel, completes=False)
    assert "'onnxruntime'" in reason
    assert "has: python." in reason
    assert "TRITONSERVER_BIN" in reason


def test_a_backend_that_is_there_stands_in_nobodys_way(wheel: TritonInstallation, tmp_path: Path) -> None:
    """Nor does any for models of our own engines."""
    image = replace(wheel, native={"onnxruntime": tmp_path})
    assert obstacle(native(tmp_path / "a", "onnxruntime"), image, completes=False) == ""
    assert obstacle(echo_tensors(tmp_path / "b"), wheel, completes=False) == ""


def test_a_config_without_tensors_needs_a_triton_that_completes_it(wheel: TritonInstallation, tmp_path: Path) -> None:
    """A server that was started without is told apart from one that was started with."""
    entry = native(tmp_path, "tensorrt", 'backend: "tensorrt"\n')
    image = replace(wheel, native={"tensorrt": tmp_path})
    assert needs_completion([echo_tensors(tmp_path), entry])
    assert obstacle(entry, image, completes=True) == ""
    assert "names no inputs" in obstacle(entry, image, completes=False)


def test_whole_configs_need_no_completion(tmp_path: Path) -> None:
    """Which costs every other model a second. What is no config at all is Triton's to complain about."""
    broken = native(tmp_path / "broken", "tensorrt", "{")
    assert not needs_completion([native(tmp_path, "onnxruntime"), echo_tensors(tmp_path), broken])


def test_the_host_speaks_each_backends_words(tmp_path: Path) -> None:
    """ONNX Runtime has a word for threads, TensorRT has none, and our hosts know all."""
    said = {"threads": "3", "cache_dir": "/c"}
    assert host_parameters(native(tmp_path, "onnxruntime"), said) == {"intra_op_thread_count": "3"}
    assert host_parameters(native(tmp_path, "tensorrt"), said) == {}
    assert host_parameters(echo_tensors(tmp_path), said) == said
