"""What an engine's builder needs beyond the conversion environment: a GPU, TensorRT, Model Optimizer."""

from __future__ import annotations

from collections.abc import Iterable

from argosy.conversion.profiles import BuildProfile, Target
from argosy.conversion.toolchain import Toolchain
from argosy.core.errors import MissingRequirement

_MODEL_OPTIMIZER = "nvidia-modelopt"


def available(
    target: Target, profiles: Iterable[BuildProfile], precision: str, toolchain: Toolchain
) -> tuple[BuildProfile, ...]:
    """The profiles that can be built here; with `auto` those that cannot are left out while one remains.

    Raises:
        MissingRequirement: the GPU or a package is missing; the message names each with the command that adds it.
    """
    if target is Target.TENSORRT:
        _require_tensorrt(toolchain)
    wanted = tuple(profiles)
    if target is Target.OPENVINO or _MODEL_OPTIMIZER in toolchain.found:
        return wanted
    # Only f32 networks are taken as they are.
    plain = tuple(profile for profile in wanted if not profile.calibrated)
    if not plain:
        raise MissingRequirement(
            f"--precision {precision} for {target.value} needs NVIDIA's Model Optimizer, which types the network, and "
            f"{toolchain.conversion} lacks it. Run: {toolchain.conversion} -m pip install 'nvidia-modelopt[onnx]'"
        )
    return plain


def _require_tensorrt(toolchain: Toolchain) -> None:
    lacking = []
    if not toolchain.gpus:
        why = f" ({toolchain.gpu_problem})" if toolchain.gpu_problem else ""
        lacking.append(
            f"an NVIDIA GPU, because an engine is built on the GPU it is for, and this process sees none{why}"
        )
    if not toolchain.tensorrt and toolchain.trtexec is None:
        lacking.append(
            f"TensorRT: run {toolchain.conversion} -m pip install tensorrt beside a torch built for CUDA, or put "
            "trtexec on the PATH"
        )
    if lacking:
        raise MissingRequirement(
            f"--engine tensorrt needs {'; and '.join(lacking)}. Without them: leave out --engine, which builds for "
            "openvino."
        )
