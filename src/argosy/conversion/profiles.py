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


_OPENVINO = {
    "fp32": BuildProfile("fp32", ProfileSpec("f32", "fp32")),
    "bf16": BuildProfile("bf16", ProfileSpec("bf16", "fp16")),
    "int8": BuildProfile("int8", ProfileSpec("bf16", "int8", "int8"), calibrated=True),
    "int4": BuildProfile("int4", ProfileSpec("bf16", "int4")),
}
"""In order of accuracy. `bf16` is arithmetic; its weights are stored in 16 bits."""

PRECISIONS = (AUTO, *_OPENVINO)


def build_profiles(kind: Kind, precision: str) -> tuple[BuildProfile, ...]:
    """What is built: the one profile asked for, or with `auto` all that may win, the most accurate first.

    Raises:
        InvalidSetting: there is no such profile for this kind of model.
    """
    table = {name: _fitted(profile, kind) for name, profile in _OPENVINO.items() if _fits(name, kind)}
    if precision == AUTO:
        return tuple(table.values())
    if precision not in table:
        raise InvalidSetting(f"--precision {precision}: a {kind.value} is built as {', '.join((AUTO, *table))}.")
    return (table[precision],)


def refuse_target(target: Target) -> None:
    """Refuse the engines that nothing is built for.

    Raises:
        InvalidSetting: the message says what to do instead.
    """
    match target:
        case Target.OPENVINO:
            return
        case Target.VLLM:
            raise InvalidSetting(
                "--engine vllm: vLLM runs Hugging Face folders as they are, so there is nothing to convert. "
                "Serve the folder itself."
            )
        case _:
            raise InvalidSetting(
                f"--engine {target.value}: this version builds for openvino only; building engines for NVIDIA GPUs is "
                "not in it. Leave out --engine."
            )


def _fits(name: str, kind: Kind) -> bool:
    # Four bits cost small encoders more than any bound allows, and save them nothing.
    return name != "int4" or kind is Kind.DECODER


def _fitted(profile: BuildProfile, kind: Kind) -> BuildProfile:
    """Language models keep their activations: reading weights is what takes their time, and outliers would suffer."""
    if profile.name == "int8" and kind is Kind.DECODER:
        return replace(profile, spec=replace(profile.spec, activations=""), calibrated=False)
    return profile
