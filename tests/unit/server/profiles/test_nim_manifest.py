"""NIM's manifest files, written as its images carry them."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidSetting
from argosy.server.profiles.find import facts_of
from argosy.server.profiles.nim_manifest import read_manifest
from argosy.server.profiles.profile import Device, GpuModel, Objective
from argosy.server.profiles.select import select
from argosy.server.profiles.verdict import Bucket
from tests.suites.hosts import DATA, described

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
V1 = f"""
{A}:
  model: meta/llama3-8b-instruct
  release: '1.0.0'
  tags:
    feat_lora: 'true'
    feat_lora_max_rank: '32'
    gpu: H100
    gpu_device: 2330:10de
    llm_engine: tensorrt_llm
    pp: '1'
    precision: fp8
    profile: latency
    tp: '2'
  container_url: registry/nim/llama3:1.0.0
  workspace: !workspace
    components:
    - !name:nim.Component
      dst: ''
      src: {{repo_id: 'ngc://nim/meta/llama3'}}
{B}:
  model: meta/llama3-8b-instruct
  tags: {{llm_engine: vllm, precision: fp16, tp: 1, pp: 1, feat_lora: false}}
"""
V2 = f"""
schema_version: 2.0.0
profile_selection_criteria: default
profiles:
  - id: {C}
    tags:
      {{llm_engine: tensorrt_llm, precision: fp16, profile: throughput, tp: "8", gpu: L40S, gpu_device: "26b5:10de"}}
    workspace: {{files: {{engine: {{uri: "ngc://org/model/engine.bin"}}}}}}
  - id: {D}
    tags: {{llm_engine: vllm, precision: bf16, tp: "1"}}
"""
ENCODER = f"""
{A}:
  tags: {{backend: onnx, key: onnx, precision: fp16}}
{B}:
  tags: {{backend: tensorrt, key: NVIDIA-A10G_10.0.1_12, precision: fp16, product_name_regex: '^NVIDIA-A10(?!0).*'}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "model_manifest.yaml"
    file.write_text(text)
    return file


def test_the_first_schema_maps_ids_to_profiles(tmp_path: Path) -> None:
    """Engine, GPU, parallelism, objective and adapters are read; classes behind YAML tags are not needed."""
    manifest = read_manifest(written(tmp_path, V1))
    first, second = manifest
    assert manifest.model == "meta/llama3-8b-instruct"
    assert (first.id, first.name) == (A, "tensorrt_llm-H100-fp8-tp2-pp1-latency-2330:10de-feat_lora")
    needs = first.needs
    assert (needs.engine, needs.device, needs.gpus, needs.gpu) == (
        "tensorrt_llm", Device.GPU, 2, GpuModel("H100", "2330:10de"),
    )  # fmt: skip
    assert (first.objective, first.precision, first.lora) == (Objective.LATENCY, "fp8", True)
    assert (second.name, second.needs.capability, second.lora) == ("vllm-fp16-tp1-pp1", (7, 0), False)


def test_the_second_schema_lists_profiles(tmp_path: Path) -> None:
    """Each with its id."""
    first, second = read_manifest(written(tmp_path, V2))
    assert (first.id, first.name) == (C, "tensorrt_llm-L40S-fp16-tp8-throughput-26b5:10de")
    assert (second.id, second.needs.capability) == (D, (8, 0))


def test_an_encoders_manifest_names_gpus_by_a_pattern(tmp_path: Path) -> None:
    """Its row for ONNX runs on any."""
    onnx, tensorrt = read_manifest(written(tmp_path, ENCODER))
    assert (onnx.name, onnx.needs.engine, onnx.needs.gpu) == ("onnxruntime-fp16", "onnxruntime", None)
    assert tensorrt.needs.gpu == GpuModel(pattern="^NVIDIA-A10(?!0).*")


def test_a_manifest_is_judged_like_any_other(tmp_path: Path) -> None:
    """On two H100 the profile for two H100 is chosen; on a T4 its GPU is the reason against it."""
    manifest = read_manifest(written(tmp_path, V1))
    chosen = select(described("h100"), manifest).chosen
    assert chosen is not None
    assert chosen.profile.id == A
    assert chosen.notes == ("its memory is not stated, so it was not checked",)
    selection = select(described("t4"), manifest)
    assert selection.chosen is not None
    assert selection.chosen.profile.id == B
    (rejected,) = selection.in_bucket(Bucket.INCOMPATIBLE)
    assert rejected.reasons[-1].text == "needs a GPU H100, has T4 16GB"


def test_with_the_model_at_hand_its_memory_is_checked(tmp_path: Path) -> None:
    """By the model's own figures."""
    facts = facts_of(str(DATA / "models" / "llama-8b"), ())
    manifest = read_manifest(written(tmp_path, V1), facts)
    verdict = next(item for item in select(described("t4"), manifest).verdicts if item.profile.id == B)
    assert verdict.demand is not None
    assert verdict.demand.weights == 2 * 8_030_261_248
    assert verdict.bucket is Bucket.INCOMPATIBLE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must hold a mapping"),
        ("- 1", "must hold a mapping"),
        ("{", "cannot be read as YAML"),
        ("!!python/object/apply:os.system [echo]", "cannot be read as YAML"),
        ("abc: {tags: {llm_engine: vllm}}", "the profile id 'abc' is not 64 hexadecimal digits"),
        ("model_profile: x\nmanifest: []", "the profile id 'model_profile' is not"),
        (f"{A}: text", "is no mapping"),
        (f"{A}: {{}}", "has no tags"),
        (f"{A}: {{tags: {{precision: fp16}}}}", "names no engine"),
        (f"{A}: {{tags: {{llm_engine: vllm, tp: many}}}}", "the tag 'tp' .* is 'many'"),
        (f"{A}: {{tags: {{llm_engine: vllm, tp: 0}}}}", "not a number from 1 to 1024"),
        (f"{A}: {{tags: {{llm_engine: [vllm]}}}}", "is no text"),
        (f"{A}: {{tags: {{backend: tensorrt, product_name_regex: '('}}}}", "is no regular expression"),
        (f"{A}: {{tags: {{backend: tensorrt, product_name_regex: '{'x' * 201}'}}}}", "longer than 200"),
        ("schema_version: 3.0\nprofiles: []", "its schema_version is '3.0'"),
        ("schema_version: 2.0.0", "'profiles' must be a list"),
        ("schema_version: 2.0.0\nprofiles: [1]", "'profiles' must be a list of mappings"),
        (f"schema_version: 2.0.0\nprofiles: [{f'{{id: {A}, tags: {{type: onnx}}}}, ' * 2}]", "stands twice"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_refused_by_its_fault(tmp_path: Path, text: str, says: str) -> None:
    """The file is named, and what is wrong in it."""
    file = written(tmp_path, text)
    with pytest.raises(InvalidSetting, match=says) as raised:
        read_manifest(file)
    assert str(file) in raised.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """And so is one that is too large to be a manifest."""
    with pytest.raises(InvalidSetting, match="cannot be read"):
        read_manifest(tmp_path / "absent.yaml")
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate((8 << 20) + 1)
    with pytest.raises(InvalidSetting, match="larger than 8 MiB"):
        read_manifest(large)
