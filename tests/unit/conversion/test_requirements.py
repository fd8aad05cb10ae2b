"""What the builders for Triton's own backends need, and what is said when it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.conversion.profiles import Target, build_profiles
from argosy.conversion.requirements import available
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.toolchain import Toolchain
from argosy.core.errors import MissingRequirement

PYTHON = Path("/c/bin/python")
OPTIMIZER = {"nvidia-modelopt": "0.47.0"}


def names(target: Target, precision: str, toolchain: Toolchain) -> list[str]:
    profiles = build_profiles(Kind.NETWORK, precision, target)
    return [profile.name for profile in available(target, profiles, precision, toolchain)]


def toolchain(packages: dict[str, str], **fields: object) -> Toolchain:
    return Toolchain(PYTHON, {"conversion": packages}, **fields)  # type: ignore[arg-type]


def test_tensorrt_names_everything_that_is_missing() -> None:
    """The GPU with what is known of it, and TensorRT with the command that brings it."""
    with pytest.raises(MissingRequirement) as refused:
        names(Target.TENSORRT, "auto", toolchain({}, gpu_problem="the driver does not answer"))
    said = refused.value.message
    assert "an NVIDIA GPU" in said
    assert "the driver does not answer" in said
    assert "/c/bin/python -m pip install tensorrt" in said
    assert "leave out --engine" in said


def test_a_gpu_alone_is_not_enough() -> None:
    """Only what is missing is named."""
    with pytest.raises(MissingRequirement) as refused:
        names(Target.TENSORRT, "auto", toolchain(OPTIMIZER, gpus=("NVIDIA L4",)))
    assert "an NVIDIA GPU" not in refused.value.message


@pytest.mark.parametrize("package", ["tensorrt", "tensorrt-cu12", "tensorrt-cu13"])
def test_any_package_of_tensorrt_will_do(package: str) -> None:
    """And with all of it every profile is built, the most accurate first."""
    found = toolchain({package: "11.4.0", **OPTIMIZER}, gpus=("NVIDIA L4",))
    assert names(Target.TENSORRT, "auto", found) == ["fp32", "bf16", "fp16", "fp8", "int8"]


def test_a_torch_for_processors_cannot_prove_an_engine() -> None:
    """Which is told before minutes go into building one."""
    packages = {"tensorrt": "11.4.0", "torch": "2.13.0+cpu", **OPTIMIZER}
    with pytest.raises(MissingRequirement, match="torch built for CUDA"):
        names(Target.TENSORRT, "fp16", toolchain(packages, gpus=("NVIDIA L4",)))
    packages["torch"] = "2.13.0+cu130"
    assert names(Target.TENSORRT, "fp16", toolchain(packages, gpus=("NVIDIA L4",))) == ["fp16"]


def test_trtexec_will_do_too() -> None:
    """NVIDIA's images have it without the Python package."""
    found = toolchain(OPTIMIZER, gpus=("NVIDIA L4",), trtexec=Path("/t/trtexec"))
    assert names(Target.TENSORRT, "fp16", found) == ["fp16"]


def test_without_model_optimizer_only_f32_is_left() -> None:
    """With auto the rest is left out; who names a precision is told what it needs."""
    assert names(Target.ONNXRUNTIME, "auto", toolchain({})) == ["fp32"]
    assert names(Target.ONNXRUNTIME, "fp32", toolchain({})) == ["fp32"]
    assert names(Target.ONNXRUNTIME, "auto", toolchain(OPTIMIZER)) == ["fp32", "fp16", "int8"]
    with pytest.raises(MissingRequirement, match=r"--precision fp16.*nvidia-modelopt\[onnx\]"):
        names(Target.ONNXRUNTIME, "fp16", toolchain({}))


def test_openvino_needs_none_of_it() -> None:
    """Its precisions are its own tools' work."""
    assert names(Target.OPENVINO, "auto", toolchain({})) == ["fp32", "bf16", "int8"]
