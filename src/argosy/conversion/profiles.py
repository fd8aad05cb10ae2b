"""The forms a model can be built in, for each engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from argosy.conversion.sources.kinds import Kind
from argosy.core.errors import InvalidSetting
from argosy.core.models import ProfileSpec

AUTO = "auto"


class Target(StrEnum):
    """The engine a model is built for."""

    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TENSORRT_LLM = "tensorrt_llm"
    VLLM = "vllm"


@dataclass(frozen=True, slots=True)
class BuildProfile:
    """One form of a model.

    Attributes:
        name: what `--precision` calls it.
        spec: how the engine is asked to run it.
        calibrated: whether building it needs samples.
    """

    name: str
    spec: ProfileSpec
    calibrated: bool = False


_OPENVINO = (
    BuildProfile("fp32", ProfileSpec("f32", "fp32")),
    BuildProfile("bf16", ProfileSpec("bf16", "fp16")),
    BuildProfile("int8", ProfileSpec("bf16", "int8", "int8"), calibrated=True),
    BuildProfile("int4", ProfileSpec("bf16", "int4")),
)
_ONNXRUNTIME = (
    BuildProfile("fp32", ProfileSpec("f32", "fp32")),
    BuildProfile("fp16", ProfileSpec("f16", "fp16"), calibrated=True),
    BuildProfile("int8", ProfileSpec("f16", "int8", "int8"), calibrated=True),
)
_TENSORRT = (
    BuildProfile("fp32", ProfileSpec("f32", "fp32")),
    BuildProfile("bf16", ProfileSpec("bf16", "bf16"), calibrated=True),
    BuildProfile("fp16", ProfileSpec("f16", "fp16"), calibrated=True),
    BuildProfile("fp8", ProfileSpec("f16", "fp8", "fp8"), calibrated=True),
    BuildProfile("int8", ProfileSpec("f16", "int8", "int8"), calibrated=True),
)
_PROFILES = {Target.OPENVINO: _OPENVINO, Target.ONNXRUNTIME: _ONNXRUNTIME, Target.TENSORRT: _TENSORRT}
"""For each engine, in order of accuracy. OpenVINO's `bf16` is arithmetic; its weights are stored in 16 bits."""

PRECISIONS = (AUTO, "fp32", "bf16", "fp16", "fp8", "int8", "int4")


def build_profiles(kind: Kind, precision: str, target: Target = Target.OPENVINO) -> tuple[BuildProfile, ...]:
    """What is built: the one profile asked for, or with `auto` all that may win, the most accurate first.

    Raises:
        InvalidSetting: there is no such profile for this kind of model and this engine.
    """
    table = {each.name: _fitted(each, kind) for each in _PROFILES[target] if _fits(each.name, kind)}
    if precision == AUTO:
        return tuple(table.values())
    if precision not in table:
        raise InvalidSetting(
            f"--precision {precision}: a {kind.value} for {target.value} is built as {', '.join((AUTO, *table))}."
        )
    return (table[precision],)


def refuse_target(target: Target) -> None:
    """Refuse the engines that nothing is built for.

    Raises:
        InvalidSetting: the message says what to do instead.
    """
    name = {Target.VLLM: "vLLM", Target.TENSORRT_LLM: "TensorRT-LLM"}.get(target)
    if name is not None:
        raise InvalidSetting(
            f"--engine {target.value}: {name} runs Hugging Face folders as they are, so there is nothing to convert. "
            "Serve the folder itself."
        )


def refuse_kind(target: Target, kind: Kind) -> None:
    """Refuse models that the engine could not serve as what they are.

    Raises:
        InvalidSetting: the message says what to do instead.
    """
    if target is Target.OPENVINO or kind.served_by_tensors:
        return
    raise InvalidSetting(
        f"--engine {target.value}: this model is a {kind.value}, which is asked in words, and Triton's backend "
        f"{target.value} takes tensors. Leave out --engine; or export the network and convert the .onnx file, whose "
        "tensors are served then."
    )


def _fits(name: str, kind: Kind) -> bool:
    # Four bits cost small encoders more than any bound allows, and save them nothing.
    return name != "int4" or kind is Kind.DECODER


def _fitted(profile: BuildProfile, kind: Kind) -> BuildProfile:
    """Language models keep their activations: reading weights is what takes their time, and outliers would suffer."""
    if profile.name == "int8" and kind is Kind.DECODER:
        return replace(profile, spec=replace(profile.spec, activations=""), calibrated=False)
    return profile
