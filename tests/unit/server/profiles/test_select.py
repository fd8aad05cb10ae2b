"""Rules of the selector, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from argosy.core.models import Task
from argosy.server.probe.gpus import Slice
from argosy.server.probe.software import Engine
from argosy.server.profiles.facts import Facts, Form
from argosy.server.profiles.find import find
from argosy.server.profiles.generate import generate
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.profile import GpuModel, Proof
from argosy.server.profiles.select import Options, select
from argosy.server.profiles.verdict import Bucket, Lack, Selection, Verdict
from tests.suites.hosts import BARE, DATA, GIB, OPENVINO, gpu, with_gpus

LLAMA = find(str(DATA / "models" / "llama-8b"), ())
SMALL = find(str(DATA / "models" / "llama-1b"), ())

HOST_80 = with_gpus(gpu(80))


def verdict(selection: Selection, name: str) -> Verdict:
    return next(item for item in selection.verdicts if item.profile.name == name)


def test_a_missing_engine_is_told_with_the_command_that_brings_it() -> None:
    """In the form needs, has, remedy."""
    found = verdict(select(replace(BARE, engines=OPENVINO), LLAMA), "vllm-bf16-tp1-pp1-throughput")
    assert (
        found.reasons[0].text
        == "needs vllm, has none: uv pip install --override requirements/vllm-overrides.txt '.[vllm]'"
    )
    assert found.bucket is Bucket.INCOMPATIBLE


def test_a_gpu_that_needs_a_shorter_context_comes_before_a_processor_that_does_not() -> None:
    """24 GB hold the weights and 20 thousand tokens; the choice says so."""
    selection = select(with_gpus(gpu(24, capability=(8, 0))), LLAMA)
    assert selection.chosen is not None
    assert selection.chosen.profile.name == "tensorrt_llm-bf16-tp1-pp1-throughput"
    assert selection.chosen.bucket is Bucket.LOW_MEMORY
    assert selection.chosen.max_model_len >= 8192
    assert selection.chosen.reasons[0].remedy == f"--max-model-len {selection.chosen.max_model_len}"


def test_with_a_length_asked_for_only_what_holds_it_is_chosen() -> None:
    """The operator's word stands above the order of engines."""
    selection = select(with_gpus(gpu(24, capability=(8, 0))), LLAMA, Options(max_model_len=131072))
    assert selection.chosen is not None
    assert selection.chosen.profile.name == "openvino_genai-int8"


def test_a_very_short_context_on_a_gpu_is_the_last_resort() -> None:
    """With a few hundred tokens more than nothing, the processor is better."""
    selection = select(with_gpus(gpu(18.5, capability=(8, 0))), LLAMA)
    found = verdict(selection, "vllm-bf16-tp1-pp1-throughput")
    assert (found.bucket, found.max_model_len < 8192) == (Bucket.LOW_MEMORY, True)
    assert selection.chosen is not None
    assert selection.chosen.profile.name == "openvino_genai-int8"


def test_what_is_built_for_this_gpu_comes_before_what_runs_on_any() -> None:
    """Even with an engine that is second choice, and wider numbers."""
    generic = verdict(select(with_gpus(gpu(80)), SMALL), "tensorrt_llm-bf16-tp1-pp1-throughput").profile
    other = verdict(select(with_gpus(gpu(80)), SMALL), "vllm-bf16-tp1-pp1-throughput").profile
    special = replace(other, name="special", id="0" * 64, needs=replace(other.needs, gpu=GpuModel("L40S")))
    selection = select(with_gpus(gpu(80)), Manifest("m", (generic, other, special)))
    assert selection.chosen is not None
    assert selection.chosen.profile.name == "special"
    elsewhere = select(with_gpus(gpu(80, name="NVIDIA A10")), Manifest("m", (special,))).verdicts[0]
    assert elsewhere.reasons[0].text == "needs a GPU L40S, has A10 80GB"


@pytest.mark.parametrize(("passed", "chosen"), [(True, "openvino_genai-int8"), (False, "openvino_genai-bf16")])
def test_what_failed_its_proof_is_never_chosen_by_itself(passed: bool, chosen: str) -> None:
    """It can run, and is listed after all others that can."""
    profiles = [
        replace(profile, proof=Proof(passed, "cosine 0.9")) if profile.name == "openvino_genai-int8" else profile
        for profile in SMALL
    ]
    selection = select(replace(BARE, engines=OPENVINO), Manifest("m", tuple(profiles)))
    assert selection.chosen is not None
    assert selection.chosen.profile.name == chosen
    found = verdict(selection, "openvino_genai-int8")
    assert found.bucket is Bucket.COMPATIBLE
    assert any("failed its proof (cosine 0.9)" in note for note in found.notes) is not passed
    if not passed:
        assert selection.in_bucket(Bucket.COMPATIBLE)[-1] is found


def test_four_bits_come_last_unless_they_were_proven() -> None:
    """Then they are narrower than all others."""
    ranked = [item.profile.name for item in select(replace(BARE, engines=OPENVINO), SMALL).in_bucket(Bucket.COMPATIBLE)]
    assert ranked == ["openvino_genai-int8", "openvino_genai-bf16", "openvino_genai-f32", "openvino_genai-int4"]
    proven = [
        replace(profile, proof=Proof(passed=True)) if profile.precision == "int4" else profile for profile in SMALL
    ]
    ranked = [
        item.profile.name
        for item in select(replace(BARE, engines=OPENVINO), Manifest("m", tuple(proven))).in_bucket(Bucket.COMPATIBLE)
    ]
    assert ranked.index("openvino_genai-int4") < ranked.index("openvino_genai-bf16")


def test_gpus_of_two_models_do_not_work_together() -> None:
    """Two of one model do, and those with the most room are taken."""
    mixed = select(with_gpus(gpu(80), gpu(80, name="NVIDIA A100")), SMALL)
    found = verdict(mixed, "vllm-bf16-tp2-pp1-latency")
    assert found.reasons[0].text == "needs 2 GPUs, has 1 of a model"
    busy = replace(gpu(80), free=GIB)
    three = select(with_gpus(gpu(80), busy, gpu(80)), SMALL)
    assert verdict(three, "vllm-bf16-tp2-pp1-latency").gpus == (0, 2)


def test_a_gpu_in_use_has_only_what_is_free() -> None:
    """Not its share of all."""
    found = verdict(select(with_gpus(replace(gpu(80), free=4 * GIB)), LLAMA), "vllm-bf16-tp1-pp1-throughput")
    assert (found.bucket, found.reasons[0].lack) == (Bucket.INCOMPATIBLE, Lack.MEMORY)
    assert found.reasons[0].has == "4.0 usable of 80.0 GiB"


def test_instances_of_a_divided_gpu_are_gpus_of_their_own_that_cannot_be_joined() -> None:
    """Each with its own memory."""
    divided = replace(gpu(80), mig=True, slices=(Slice("MIG 3g", 40 * GIB, 40 * GIB),) * 2)
    selection = select(with_gpus(divided), SMALL)
    assert verdict(selection, "vllm-bf16-tp1-pp1-throughput").bucket is Bucket.COMPATIBLE
    joined = verdict(selection, "vllm-bf16-tp2-pp1-latency")
    assert joined.reasons[0].text == "needs 2 whole GPUs, has 2 MIG instances, which cannot work together"
    none = select(with_gpus(replace(divided, slices=())), SMALL)
    assert verdict(none, "vllm-bf16-tp1-pp1-throughput").reasons[0].text == "needs 1 GPU, has none"


def test_a_gpu_whose_memory_nobody_knows_is_not_counted_on() -> None:
    """The driver's library was not there to say it."""
    unknown = replace(gpu(80), memory=0, free=0, capability=None)
    found = verdict(select(with_gpus(unknown), SMALL), "vllm-fp16-tp1-pp1-throughput")
    assert found.bucket is Bucket.INCOMPATIBLE
    assert "has an amount that the driver does not tell" in found.reasons[0].text


def test_adapters_need_a_profile_that_takes_them() -> None:
    """The same profile without comes first when none are served."""
    with_lora = select(with_gpus(gpu(80)), SMALL, Options(lora=True))
    assert with_lora.chosen is not None
    assert with_lora.chosen.profile.name == "vllm-bf16-tp1-pp1-throughput-feat_lora"
    found = verdict(with_lora, "vllm-bf16-tp1-pp1-throughput")
    assert found.reasons[0].text == "needs LoRA adapters, has a profile without them"


def test_tags_that_are_asked_for_leave_out_the_others() -> None:
    """Each says what it has in their place."""
    selection = select(with_gpus(gpu(80), gpu(80)), SMALL, Options(tags={"tp": "2", "precision": "bf16"}))
    assert selection.chosen is not None
    assert selection.chosen.profile.name == "tensorrt_llm-bf16-tp2-pp1-latency"
    found = verdict(selection, "vllm-fp8-tp1-pp1-throughput")
    assert [reason.text for reason in found.reasons] == [
        "needs tp=2, which was asked for, has tp=1",
        "needs precision=bf16, which was asked for, has precision=fp8",
    ]


def test_a_smaller_share_of_the_gpu_leaves_less() -> None:
    """As `gpu_memory_utilization` says."""
    half = verdict(select(with_gpus(gpu(80)), LLAMA, Options(gpu_memory_fraction=0.5)), "vllm-bf16-tp1-pp1-throughput")
    assert half.demand is not None
    assert half.demand.usable == 40 * GIB


def test_an_encoder_without_any_figures_runs_on_the_processor() -> None:
    """What is not known is not held against it."""
    facts = Facts("network", Task.TENSOR, Form.IR, weight_bytes=1000)
    chosen = select(replace(BARE, engines=OPENVINO, memory=0), generate(facts)).chosen
    assert chosen is not None
    assert (chosen.profile.name, chosen.demand) == ("openvino-bf16", None)


def test_an_engine_of_another_world_is_told_as_such() -> None:
    """NIM's manifests may name sglang."""
    profile = next(iter(SMALL))
    stranger = replace(profile, needs=replace(profile.needs, engine="sglang"))
    found = select(with_gpus(gpu(80)), Manifest("m", (stranger,))).verdicts[0]
    assert found.reasons[0].text.startswith("needs the engine sglang, has none like it in Argosy (echo, ")


def test_every_engine_has_a_place_in_the_order() -> None:
    """Language models by three engines, the rest by four, GPUs before processors."""
    order = [(item.profile.needs.engine, item.profile.needs.device.value) for item in select(HOST_80, SMALL).verdicts]
    assert list(dict.fromkeys(order))[:3] == [("tensorrt_llm", "gpu"), ("vllm", "gpu"), ("openvino_genai", "cpu")]
    host = replace(HOST_80, engines=(*HOST_80.engines, Engine("torch", "2.13.0", ("cpu", "cuda"))))
    bert = find(str(DATA / "models" / "bert-base"), ())
    order = [(item.profile.needs.engine, item.profile.needs.device.value) for item in select(host, bert).verdicts]
    assert list(dict.fromkeys(order)) == [
        ("tensorrt", "gpu"),
        ("onnxruntime", "gpu"),
        ("torch", "gpu"),
        ("openvino", "cpu"),
        ("onnxruntime", "cpu"),
        ("torch", "cpu"),
    ]
