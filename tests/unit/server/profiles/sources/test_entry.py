"""The one profile of a model store entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from argosy.server.artifacts.places import bundled_store
from argosy.server.profiles.profile import Device, Proof
from argosy.server.profiles.sources.entry import manifest_of, profile_of, proof_of
from argosy.store.entries import ModelEntry, read_entry
from tests.suites.checkpoints import language_model

SPEC = ModelSpec(
    "sums",
    Task.GENERATE,
    "openvino_genai",
    profile=ProfileSpec("bf16", "int8"),
    source={"sha256": "ab"},
    generate=GenerateSpec(512),
)


def test_a_profile_is_named_by_how_the_model_runs() -> None:
    """Engine, arithmetic, weights, and whether adapters are served."""
    assert profile_of(SPEC).name == "openvino_genai-bf16-int8"
    with_adapters = profile_of(SPEC, adapters=True)
    assert with_adapters.name == "openvino_genai-bf16-int8-lora"
    assert with_adapters.tags["feat_lora"] == "true"


def test_an_id_changes_with_the_weights_and_with_how_they_run() -> None:
    """And with nothing else."""
    first = profile_of(SPEC).id
    assert profile_of(replace(SPEC, description="other")).id == first
    others = [
        replace(SPEC, source={"sha256": "cd"}),
        replace(SPEC, profile=ProfileSpec("f32", "int8")),
        replace(SPEC, engine="other"),
    ]
    assert len({first, *(profile_of(spec).id for spec in others)}) == 4


@pytest.mark.parametrize("tp", ["0", "-1", "²", "9" * 5000, "two"])
def test_a_number_of_gpus_that_cannot_be_counts_as_one(tmp_path: Path, tp: str) -> None:
    """An entry that somebody else wrote may say anything, and is judged all the same."""
    language_model(tmp_path / "llm" / "1")
    recorded = {"id": "ab", "name": "vllm-bf16", "tags": {"tp": tp, "pp": tp, "precision": "bf16"}}
    spec = replace(SPEC, engine="vllm", model="config.json", source={"profile": recorded, "device": "gpu"})
    (profile,) = manifest_of(ModelEntry(spec, tmp_path / "llm", (1,)))
    assert (profile.needs.tp, profile.needs.pp) == (1, 1)
    assert profile.needs.footprint is not None


def test_tags_have_both_the_standard_names_and_nims() -> None:
    """Selectors may use either."""
    assert profile_of(SPEC).tags == {
        "llm_engine": "openvino_genai",
        "engine": "openvino_genai",
        "precision": "bf16",
        "weights": "int8",
        "tp": "1",
        "pp": "1",
        "gpu": "none",
        "lora": "false",
    }


def test_a_bundled_encoder_takes_the_bytes_of_its_weights() -> None:
    """And the engine's share; it keeps nothing between tokens."""
    entry = read_entry(bundled_store() / "all-minilm-l6-v2")
    manifest = manifest_of(entry)
    (profile,) = manifest
    footprint = profile.needs.footprint
    assert footprint is not None
    assert footprint.weights == (entry.newest / "model.bin").stat().st_size
    assert footprint.cache is None
    assert (profile.needs.device, manifest.context) == (Device.CPU, 256)


def test_a_bundled_language_model_has_the_cache_its_engine_was_measured_to_have() -> None:
    """8192 bytes a token with f32 arithmetic, as OpenVINO GenAI 2026.4.1 reports."""
    (profile,) = manifest_of(read_entry(bundled_store() / "abacus"))
    footprint = profile.needs.footprint
    assert footprint is not None
    assert footprint.cache is not None
    assert footprint.cache.per_token() == 8192
    assert footprint.context == 1024
    assert footprint.weights > 5 << 20


def test_an_entry_whose_files_cannot_be_read_has_no_memory_to_check(tmp_path: Path) -> None:
    """It is no reason to fail."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "config.json").write_text("{")
    (profile,) = manifest_of(ModelEntry(replace(SPEC, model="model.bin"), tmp_path, (1,)))
    assert profile.needs.footprint is None
    assert profile.id == profile_of(replace(SPEC, model="model.bin")).id


@pytest.mark.parametrize(
    ("written", "proof"),
    [
        ({}, None),
        ({"cosine": 0.9}, None),
        ({"passed": "yes"}, None),
        ({"passed": True}, Proof(passed=True)),
        (
            {"passed": False, "cosine_min": 0.91, "threshold": {"cosine_min": 0.99}},
            Proof(False, "cosine_min 0.91", {"cosine_min": 0.91}),
        ),
        (
            {"passed": False, "figures": {"top1": 0.5, "of": "x", "lost": float("nan")}},
            Proof(False, "top1 0.5", {"top1": 0.5}),
        ),
        (
            {
                "passed": True,
                "reference": "onnxruntime, float32",
                "samples": 64,
                "figures": {"cosine_min": 0.995},
                "thresholds": {"cosine_min": ">= 0.98"},
            },
            Proof(
                True, "cosine_min 0.995", {"cosine_min": 0.995}, {"cosine_min": ">= 0.98"}, "onnxruntime, float32", 64
            ),
        ),
    ],
)
def test_the_proof_is_what_the_entry_says(written: Mapping[str, Any], proof: Proof | None) -> None:
    """Only a plain yes or no counts."""
    assert proof_of(replace(SPEC, proof=written)) == proof


def test_an_engine_compiled_on_a_gpu_needs_that_gpu() -> None:
    """TensorRT's plans run on no other."""
    spec = replace(SPEC, task=Task.TENSOR, engine="tensorrt", source={"gpu": "NVIDIA L4"}, generate=None)
    needs = profile_of(spec).needs
    assert needs.device is Device.GPU
    assert needs.gpu is not None
    assert needs.gpu.name == "NVIDIA L4"


CHOSEN = {"id": "ab" * 32, "name": "vllm-bf16-tp2-pp1-latency", "tags": {"engine": "vllm", "tp": "2", "gpu": "any"}}
RECORDED = replace(SPEC, engine="vllm", model="config.json", source={"device": "gpu", "profile": CHOSEN})


def test_a_checkpoint_has_the_profile_that_was_chosen_for_it() -> None:
    """As its entry says, so that it has one id everywhere."""
    profile = profile_of(RECORDED)
    assert (profile.id, profile.name, profile.tags) == (CHOSEN["id"], CHOSEN["name"], CHOSEN["tags"])
    assert (profile.needs.engine, profile.needs.device, profile.needs.gpus) == ("vllm", Device.GPU, 2)


@pytest.mark.parametrize("recorded", ["x", {}, {"tags": "x"}, {"tags": {"tp": "many"}}])
def test_a_record_that_somebody_wrote_by_hand_does_no_harm(recorded: Any) -> None:
    """An entry may come from anywhere."""
    assert profile_of(replace(SPEC, source={"profile": recorded})).needs.gpus == 0


def test_a_checkpoint_under_another_name_has_the_memory_of_its_profile(tmp_path: Path) -> None:
    """Its id is another one then, which no manifest of the new name has."""
    language_model(tmp_path / "1")
    spec = replace(RECORDED, generate=GenerateSpec(256))
    manifest = manifest_of(ModelEntry(spec, tmp_path, (1,)))
    (profile,) = manifest
    assert profile.name == CHOSEN["name"]
    assert profile.needs.footprint is not None
    assert profile.needs.footprint.context == manifest.context == 256
