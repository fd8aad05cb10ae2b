"""What is built for which kind, and what is refused."""

from __future__ import annotations

import pytest

from argosy.conversion.profiles import Target, build_profiles, refuse_kind, refuse_target
from argosy.conversion.sources.kinds import Kind
from argosy.core.errors import InvalidSetting


def test_auto_builds_the_most_accurate_first() -> None:
    """The choice among equals depends on that order."""
    assert [profile.name for profile in build_profiles(Kind.ENCODER, "auto")] == ["fp32", "bf16", "int8"]
    assert [profile.name for profile in build_profiles(Kind.DECODER, "auto")] == ["fp32", "bf16", "int8", "int4"]


def test_only_encoders_and_images_round_what_flows_between_layers() -> None:
    """A language model's outliers would suffer, and its time goes into reading weights."""
    (decoder,), (encoder,) = build_profiles(Kind.DECODER, "int8"), build_profiles(Kind.ENCODER, "int8")
    assert (decoder.spec.activations, decoder.calibrated) == ("", False)
    assert (encoder.spec.activations, encoder.calibrated) == ("int8", True)


def test_a_profile_that_a_kind_does_not_have_is_refused_with_those_it_has() -> None:
    """Four bits are for decoders."""
    with pytest.raises(InvalidSetting, match="auto, fp32, bf16, int8"):
        build_profiles(Kind.ENCODER, "int4")


def test_each_engine_has_its_own_profiles() -> None:
    """What one has, another may not have."""
    assert [each.name for each in build_profiles(Kind.NETWORK, "auto", Target.ONNXRUNTIME)] == ["fp32", "fp16", "int8"]
    assert [each.name for each in build_profiles(Kind.NETWORK, "fp8", Target.TENSORRT)] == ["fp8"]
    with pytest.raises(InvalidSetting, match="a network for onnxruntime is built as auto, fp32, fp16, int8"):
        build_profiles(Kind.NETWORK, "fp8", Target.ONNXRUNTIME)


@pytest.mark.parametrize("target", [Target.TENSORRT, Target.ONNXRUNTIME])
def test_backends_that_take_tensors_are_not_asked_in_words(target: Target) -> None:
    """An encoder is refused before anything runs, an image model and a bare network are not."""
    with pytest.raises(InvalidSetting, match="takes tensors"):
        refuse_kind(target, Kind.ENCODER)
    refuse_kind(target, Kind.NETWORK)
    refuse_kind(target, Kind.IMAGE_CLASSIFIER)
    refuse_kind(Target.OPENVINO, Kind.ENCODER)


@pytest.mark.parametrize("target", [Target.TENSORRT_LLM, Target.VLLM])
def test_engines_that_nothing_is_built_for_are_refused(target: Target) -> None:
    """By name, with what to do instead."""
    with pytest.raises(InvalidSetting, match=f"--engine {target.value}"):
        refuse_target(target)
