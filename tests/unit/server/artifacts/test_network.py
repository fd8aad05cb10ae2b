"""Reading ports of networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.readers.network import Port, read_network
from tests.unit.server.artifacts.onnx_bytes import matmul
from tests.unit.server.artifacts.sources import tensor_network


def test_reads_onnx(tmp_path: Path) -> None:
    """Names, types and free dimensions of an ONNX file."""
    network = read_network(matmul(tmp_path / "m.onnx"))
    assert network.inputs == (Port("x", "FP32", (-1, 4)),)
    assert network.outputs == (Port("y", "FP32", (-1, 4)),)


@pytest.mark.parametrize(("kind", "name"), [(np.int64, "INT64"), (np.float16, "FP16"), (np.uint8, "UINT8")])
def test_reads_an_ir(tmp_path: Path, kind: type, name: str) -> None:
    """Types are given by their KServe v2 names."""
    network = read_network(tensor_network(tmp_path / "m.xml", (2, -1), kind))
    assert network.inputs == (Port("x", name, (2, -1)),)
    assert network.output("nothing", "y") == Port("y", name, (2, -1))
    assert network.output("nothing") is None


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """OpenVINO's refusal becomes an error of ours with the file's name."""
    (tmp_path / "bad.xml").write_text("<net")
    (tmp_path / "bad.bin").write_bytes(b"")
    with pytest.raises(InvalidModelEntry, match=r"bad\.xml"):
        read_network(tmp_path / "bad.xml")


def test_a_type_that_kserve_lacks_is_refused(tmp_path: Path) -> None:
    """bfloat16 ports ask for an export with float32."""
    x = ops.parameter([1], ov.Type.bf16, name="x")
    x.output(0).get_tensor().set_names({"x"})
    ov.save_model(ov.Model([ops.add(x, x)], [x], "m"), tmp_path / "m.xml", compress_to_fp16=False)
    with pytest.raises(InvalidModelEntry, match=r"bf16.*float32"):
        read_network(tmp_path / "m.xml")


def test_an_open_rank_is_refused(tmp_path: Path) -> None:
    """A port without a fixed number of dimensions cannot be described to Triton."""
    x = ops.parameter(ov.PartialShape.dynamic(), np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    y = ops.relu(x)
    y.output(0).get_tensor().set_names({"y"})
    ov.save_model(ov.Model([y], [x], "m"), tmp_path / "m.xml", compress_to_fp16=False)
    with pytest.raises(InvalidModelEntry, match="fixed rank"):
        read_network(tmp_path / "m.xml")
