"""A network goes through `argosy convert --engine onnxruntime`: typed, proven, packaged for Triton's own backend."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from argosy.app.conversion import build_conversion
from argosy.conversion.pipeline import Converted
from argosy.conversion.plan import ConversionRequest
from argosy.conversion.profiles import Target
from argosy.core.errors import MissingRequirement
from argosy.runtime.model_config import ModelTensor, read_config
from argosy.store.entries import CONFIG_FILE
from tests.unit.server.artifacts.onnx_bytes import matmul

HERE = Path(__file__).parent
INTERPRETER = HERE.parents[1] / ".work" / "convert" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INTERPRETER.is_file(), reason="needs .work/convert: make convert-environment"),
]


def has_model_optimizer() -> bool:
    asked = [str(INTERPRETER), "-I", "-c", "import modelopt.onnx"]
    return INTERPRETER.is_file() and subprocess.run(asked, capture_output=True, check=False).returncode == 0


def picture_classifier(folder: Path) -> Path:
    """The tiny ResNet of the other tests, as a Hugging Face folder."""
    made = f"import sys, pathlib; sys.path.insert(0, {str(HERE)!r}); import tiny_originals as t; "
    made += f"t.torch.manual_seed(7); t.resnet(pathlib.Path({str(folder)!r}))"
    subprocess.run([str(INTERPRETER), "-c", made], capture_output=True, check=True)
    return folder


async def convert(
    tmp_path: Path, precision: str = "auto", target: Target = Target.ONNXRUNTIME, source: Path | None = None
) -> Converted:
    request = ConversionRequest(
        source=source or matmul(tmp_path / "net.onnx", size=64),
        name="net",
        store=tmp_path / "store",
        work=tmp_path / "work",
        precision=precision,
        target=target,
        samples=8,
        max_batch=16,
    )
    return await build_conversion(request, INTERPRETER, lambda _: None).run()


async def test_a_network_becomes_a_proven_entry_of_tritons_own_backend(tmp_path: Path) -> None:
    """Without Model Optimizer in f32; the config is complete, and the work folder tells how it was made."""
    converted = await convert(tmp_path, "fp32")
    config = read_config(converted.entry / CONFIG_FILE)
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 16)
    assert config.inputs == (ModelTensor("x", "FP32", (-1, 64)),)
    spec = yaml.safe_load((converted.entry / "argosy.yaml").read_text())
    assert spec["engine"] == "onnxruntime"
    assert spec["proof"]["passed"]
    assert spec["proof"]["figures"]["relative_error"] < 1e-5
    assert [step["step"] for step in converted.report.steps] == [
        *("load", "export", "optimise", "type-fp32", "validate-fp32"),
    ]
    assert (tmp_path / "work" / "type-fp32" / "reproduce.sh").is_file()
    assert json.loads((converted.entry / "report.json").read_text())["engine"] == "onnxruntime"


async def test_tensorrt_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """On a machine without an NVIDIA GPU the message says so, and no step has left anything."""
    with pytest.raises(MissingRequirement, match="--engine tensorrt needs"):
        await convert(tmp_path, target=Target.TENSORRT)
    assert not (tmp_path / "work").exists()


@pytest.mark.skipif(not has_model_optimizer(), reason="needs nvidia-modelopt[onnx] in .work/convert")
@pytest.mark.parametrize("precision", ["fp16", "int8"])
async def test_model_optimizer_types_the_network(tmp_path: Path, precision: str) -> None:
    """The proof holds in fewer bits, and inputs and outputs stay f32."""
    converted = await convert(tmp_path, precision, source=picture_classifier(tmp_path / "resnet"))
    (given,) = read_config(converted.entry / CONFIG_FILE).inputs
    assert given.datatype == "FP32"
    (verdict,) = converted.report.verdicts
    assert verdict.passed
    assert verdict.figures["relative_error"] > 0
