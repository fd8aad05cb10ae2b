"""Networks for Triton's own backends: what their entries hold, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.runtime.model_config import ModelTensor, read_config, read_message
from argosy.server.artifacts import staging
from argosy.server.artifacts.adopt import adopt, plan
from argosy.server.artifacts.kinds.entry import read_foreign_entry
from argosy.server.artifacts.kinds.network import Runs, plan_built, plan_network
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.triton_config import Accelerator, Placement, Tensor, render
from argosy.store.entries import CONFIG_FILE, ModelEntry
from tests.unit.server.artifacts.onnx_bytes import matmul
from tests.unit.server.artifacts.sources import tensor_network

ORIGIN = {"adopted": "net.onnx"}
GPU, CPU = 1, 2
"""`ModelInstanceGroup.Kind` of Triton's model_config.proto."""


def export(tmp_path: Path, planned: Plan) -> ModelEntry:
    return staging.export(tmp_path / "store", planned)


def test_an_onnx_file_becomes_an_entry_for_onnx_runtime(tmp_path: Path) -> None:
    """Tensors are the graph's, rows are batched, and the file has the name that the backend opens."""
    entry = export(tmp_path, plan_network(matmul(tmp_path / "net.onnx"), "net", ORIGIN, Runs("onnxruntime")))
    config = read_config(entry.directory / CONFIG_FILE)
    assert config.backend == "onnxruntime"
    assert config.max_batch_size > 1
    assert config.inputs == (ModelTensor("x", "FP32", (-1, 4)),)
    assert config.outputs == (ModelTensor("y", "FP32", (-1, 4)),)
    assert (entry.spec.task, entry.spec.engine, entry.spec.model) == (Task.TENSOR, "onnxruntime", "model.onnx")
    assert [path.name for path in entry.newest.iterdir()] == ["model.onnx"]
    (group,) = read_message(entry.directory / CONFIG_FILE).instance_group
    assert (group.kind, group.count) == (CPU, 1)
    assert "device" not in entry.spec.source


def test_weights_beside_the_network_keep_their_names(tmp_path: Path) -> None:
    """The network knows them by name; they are copies, because ONNX Runtime refuses links that lead elsewhere."""
    planned = plan_network(matmul(tmp_path / "net.onnx", location="w.data"), "net", ORIGIN, Runs("onnxruntime"))
    assert planned.copied == {"w.data"}
    entry = export(tmp_path, planned)
    assert sorted(path.name for path in entry.newest.iterdir()) == ["model.onnx", "w.data"]
    assert not (entry.newest / "w.data").is_symlink()


def test_a_fixed_batch_is_not_put_together(tmp_path: Path) -> None:
    """Then dims hold all dimensions."""
    planned = plan_network(matmul(tmp_path / "net.onnx", batch=2), "net", ORIGIN, Runs("onnxruntime"))
    config = read_config(export(tmp_path, planned).directory / CONFIG_FILE)
    assert config.max_batch_size == 0
    assert config.inputs == (ModelTensor("x", "FP32", (2, 4)),)


def test_on_a_gpu_onnx_runtime_may_hand_on_to_tensorrt(tmp_path: Path) -> None:
    """The accelerator and its parameters are written in Triton's form, and the entry says where it runs."""
    accelerator = Accelerator("tensorrt", {"precision_mode": "FP16", "max_workspace_size_bytes": "1073741824"})
    runs = Runs("onnxruntime", gpu=True, accelerators=(accelerator,), max_batch=8)
    entry = export(tmp_path, plan_network(matmul(tmp_path / "net.onnx"), "net", ORIGIN, runs))
    message = read_message(entry.directory / CONFIG_FILE)
    assert message.instance_group[0].kind == GPU
    assert message.max_batch_size == 8
    (found,) = message.optimization.execution_accelerators.gpu_execution_accelerator
    assert found.name == "tensorrt"
    assert dict(found.parameters) == {"precision_mode": "FP16", "max_workspace_size_bytes": "1073741824"}
    assert entry.spec.source["device"] == "gpu"


def test_onnx_runtime_reads_no_ir(tmp_path: Path) -> None:
    """The message says what does."""
    with pytest.raises(InvalidModelEntry, match=r"\.onnx files only.*OpenVINO"):
        plan_network(tensor_network(tmp_path / "net.xml", (2, -1)), "net", ORIGIN, Runs("onnxruntime"))


def test_an_engine_built_here_has_the_tensors_of_its_network(tmp_path: Path) -> None:
    """So Triton need not complete its config."""
    file = tmp_path / "built" / "model.plan"
    file.parent.mkdir()
    file.write_bytes(b"engine")
    runs = Runs("tensorrt", gpu=True, max_batch=16)
    planned = plan_built(file, matmul(tmp_path / "net.onnx"), "net", {**ORIGIN, "gpu": "NVIDIA L4"}, runs)
    entry = export(tmp_path, planned)
    config = read_config(entry.directory / CONFIG_FILE)
    assert (config.backend, config.max_batch_size) == ("tensorrt", 16)
    assert config.inputs == (ModelTensor("x", "FP32", (-1, 4)),)
    assert (entry.newest / "model.plan").read_bytes() == b"engine"
    assert entry.spec.source["gpu"] == "NVIDIA L4"


@pytest.mark.parametrize("name", ["net.plan", "net.engine"])
def test_an_engine_from_elsewhere_leaves_its_tensors_to_triton(tmp_path: Path, name: str) -> None:
    """Nothing but TensorRT can read them; the file is adopted under the name that the backend opens."""
    (tmp_path / name).write_bytes(b"engine")
    entry = adopt(tmp_path / name, tmp_path / "cache")
    message = read_message(entry.directory / CONFIG_FILE)
    assert (entry.name, message.backend, message.max_batch_size) == ("net", "tensorrt", 0)
    assert not message.input
    assert not message.output
    assert message.instance_group[0].kind == GPU
    assert (entry.newest / "model.plan").read_bytes() == b"engine"


def test_tensorrt_runs_on_gpus_only() -> None:
    """And neither backend takes words."""
    spec = ModelSpec(name="m", task=Task.TENSOR, engine="tensorrt")
    tensor = [Tensor("x", "FP32", (1,))]
    with pytest.raises(InvalidModelEntry, match="GPUs only"):
        render(spec, tensor, tensor, placement=Placement())
    with pytest.raises(InvalidModelEntry, match="cannot do task 'embed'"):
        render(ModelSpec(name="m", task=Task.EMBED, engine="onnxruntime"))


def test_an_entry_of_somebody_else_may_ask_for_an_accelerator(tmp_path: Path) -> None:
    """But not for a library of its own, nor for a place to write to, nor for code at some address to be called."""
    accelerator = Accelerator("tensorrt", {"precision_mode": "FP16"})
    runs = Runs("onnxruntime", gpu=True, accelerators=(accelerator,))
    entry = export(tmp_path, plan_network(matmul(tmp_path / "net.onnx"), "net", ORIGIN, runs))
    assert read_foreign_entry(entry.directory).name == "net"
    config = entry.directory / CONFIG_FILE
    text = config.read_text()
    for option in (
        *("trt_extra_plugin_lib_paths", "trt_engine_cache_path", "trt_dump_subgraphs"),
        *("gpu_external_alloc", "user_compute_stream"),
    ):
        config.write_text(text.replace("precision_mode", option))
        with pytest.raises(InvalidModelEntry, match=option):
            read_foreign_entry(entry.directory)


def test_an_entry_of_somebody_else_must_name_its_engines_backend(tmp_path: Path) -> None:
    """Another backend might run code that came with the model; our own engines get no accelerators."""
    planned = plan_network(matmul(tmp_path / "net.onnx"), "net", ORIGIN, Runs("onnxruntime"))
    config = export(tmp_path, planned).directory / CONFIG_FILE
    config.write_text(config.read_text().replace('backend: "onnxruntime"', 'backend: "python"'))
    with pytest.raises(InvalidModelEntry, match='must say backend: "onnxruntime"'):
        read_foreign_entry(config.parent)
    other = staging.export(tmp_path / "other", plan(tmp_path / "net.onnx", "net", ORIGIN)).directory / CONFIG_FILE
    other.write_text(other.read_text() + "optimization { graph { level: 1 } }\n")
    with pytest.raises(InvalidModelEntry, match="optimization"):
        read_foreign_entry(other.parent)
