"""What an operator says of how models run reaches the engine that has it, and the rest is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from argosy.app.deployment import overriding, without_effect
from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task, TextSpec
from argosy.engines import registry
from argosy.engines.deployment import DeploymentOption
from argosy.runtime.triton.overrides import ConfigOverrides
from argosy.settings import Loaded, load
from argosy.store.entries import ModelEntry

CHAT = ModelEntry(
    ModelSpec("chat", Task.GENERATE, "openvino_genai", generate=GenerateSpec(1024), profile=ProfileSpec("f32", "int8")),
    Path(),
    (1,),
)
VECTORS = ModelEntry(ModelSpec("vectors", Task.EMBED, "openvino", text=TextSpec(max_tokens=256)), Path(), (1,))


def loaded(**variables: str) -> Loaded:
    return load({}, variables, Path("/nowhere"))


def overrides(entry: ModelEntry, **variables: str) -> ConfigOverrides:
    return overriding(loaded(**variables).settings, threads=8)(entry)


def test_nothing_said_changes_no_config() -> None:
    """Each model runs as its entry says."""
    assert overrides(CHAT) == overrides(VECTORS) == ConfigOverrides()


@pytest.mark.parametrize(
    ("variables", "parameters"),
    [
        ({"NIM_MAX_MODEL_LEN": "512"}, {"max_model_len": "512"}),
        ({"NIM_MAX_INPUT_LENGTH": "100"}, {"max_input_length": "100"}),
        ({"NIM_MAX_OUTPUT_LENGTH": "50"}, {"max_output_length": "50"}),
        ({"NIM_MAX_BATCH_SIZE": "4"}, {"max_num_seqs": "4"}),
        ({"NIM_MAX_NUM_SEQS": "6"}, {"max_num_seqs": "6"}),
        ({"NIM_MAX_BATCH_SIZE": "8", "NIM_MAX_NUM_SEQS": "6"}, {"max_num_seqs": "6"}),
        ({"ARGOSY_MAX_NUM_BATCHED_TOKENS": "64"}, {"max_num_batched_tokens": "64"}),
        ({"ARGOSY_KV_CACHE_GIB": "2"}, {"kv_cache_gib": "2"}),
        ({"ARGOSY_KV_CACHE_PRECISION": "u8"}, {"kv_cache_precision": "u8"}),
        ({"NIM_ENABLE_KV_CACHE_REUSE": "0"}, {"enable_prefix_caching": "false"}),
        ({"NIM_ENABLE_CHUNKED_PREFILL": "true"}, {"enable_chunked_prefill": "true"}),
        ({"NIM_TENSOR_PARALLEL_SIZE": "2", "NIM_ENGINE_COUNT": "2"}, {}),
    ],
)
def test_a_language_models_engine_is_told(variables: dict[str, str], parameters: dict[str, str]) -> None:
    """As parameters of its config; what it lacks is left out."""
    assert overrides(CHAT, **variables) == ConfigOverrides(parameters)


def test_the_interpreter_of_tensorrt_llm_is_its_engines_alone() -> None:
    """It is a place on this machine, and no model's business."""
    variables = {"ARGOSY_TENSORRT_LLM_PYTHON": "/opt/trt/bin/python", "NIM_TENSOR_PARALLEL_SIZE": "2"}
    spec = dataclasses.replace(CHAT.spec, engine="tensorrt_llm")
    told = {"worker_python": "/opt/trt/bin/python", "tensor_parallel_size": "2"}
    assert overrides(dataclasses.replace(CHAT, spec=spec), **variables) == ConfigOverrides(told)
    assert overrides(CHAT, **variables) == ConfigOverrides()


def test_an_encoder_is_told() -> None:
    """What Triton does is a field of its config, the rest a parameter; the threads are divided."""
    variables = {
        "NIM_MAX_BATCH_SIZE": "16",
        "NIM_MAX_WAIT_MS": "2",
        "NIM_ENGINE_COUNT": "2",
        "NIM_PERFORMANCE_MODE": "latency",
        "ARGOSY_QUANTIZATION_GROUP": "64",
        "NIM_MAX_NUM_SEQS": "6",
    }
    parameters = {"performance_mode": "latency", "quantization_group": "64", "threads": "4"}
    assert overrides(VECTORS, **variables) == ConfigOverrides(parameters, 16, 2000, 2)


def test_a_profiles_tags_speak_where_the_operator_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """To an engine that has them; this version has none, so one is given the options here."""
    parallel = {DeploymentOption.TENSOR_PARALLEL_SIZE, DeploymentOption.PIPELINE_PARALLEL_SIZE}
    factory = dataclasses.replace(registry.ENGINES["openvino_genai"], options=frozenset(parallel))
    monkeypatch.setitem(registry.ENGINES, "openvino_genai", factory)
    settings = loaded(NIM_TENSOR_PARALLEL_SIZE="4").settings
    told = overriding(settings, 8, {"chat": {"tp": "2", "pp": "2", "precision": "bf16"}})(CHAT)
    assert told == ConfigOverrides({"tensor_parallel_size": "4", "pipeline_parallel_size": "2"})


@pytest.mark.parametrize(
    ("variable", "value", "engines"),
    [
        ("NIM_TENSOR_PARALLEL_SIZE", "2", "openvino, openvino_genai"),
        ("NIM_PIPELINE_PARALLEL_SIZE", "2", "openvino, openvino_genai"),
        ("NIM_GPU_MEMORY_UTILIZATION", "0.9", "openvino, openvino_genai"),
        ("NIM_ENABLE_KV_CACHE_HOST_OFFLOAD", "1", "openvino_genai"),
        ("NIM_KV_CACHE_HOST_MEM_FRACTION", "0.1", "openvino_genai"),
        ("NIM_QUANTIZATION", "fp8", "openvino_genai"),
        ("NIM_SCHEDULING_POLICY", "max_utilization", "openvino_genai"),
        ("NIM_ENGINE_COUNT", "2", "openvino_genai"),
        ("NIM_PERFORMANCE_MODE", "latency", "openvino_genai"),
    ],
)
def test_what_an_engine_lacks_is_told_by_name(variable: str, value: str, engines: str) -> None:
    """With the variable and the engines meant, whatever else is served."""
    (sentence,) = without_effect(loaded(**{variable: value}), [VECTORS, CHAT])
    assert f"({variable})" in sentence
    assert f"has no effect on {engines}." in sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NIM_TENSOR_PARALLEL_SIZE", "1"),
        ("NIM_PIPELINE_PARALLEL_SIZE", "1"),
        ("NIM_ENABLE_KV_CACHE_HOST_OFFLOAD", "0"),
        ("NIM_SCHEDULING_POLICY", "fcfs"),
        ("NIM_QUANTIZATION", "int8"),
        ("NIM_MAX_NUM_SEQS", "8"),
        ("NIM_MAX_BATCH_SIZE", "8"),
        ("NIM_MAX_MODEL_LEN", "128"),
    ],
)
def test_what_is_so_or_is_done_is_not_told(variable: str, value: str) -> None:
    """What the engines do anyway, what the model already is, and what is meant for language models only."""
    assert without_effect(loaded(**{variable: value}), [VECTORS, CHAT]) == ()


def test_an_option_of_language_models_is_told_where_there_is_none() -> None:
    """It would be dropped in silence otherwise."""
    (sentence,) = without_effect(loaded(NIM_MAX_NUM_SEQS="8"), [VECTORS])
    assert "has no effect on openvino." in sentence


def test_a_length_beyond_the_models_own_is_told() -> None:
    """The model keeps its own."""
    (sentence,) = without_effect(loaded(NIM_MAX_MODEL_LEN="512"), [VECTORS, CHAT])
    assert "vectors keeps its own 256" in sentence


def test_a_batch_size_is_told_where_the_network_has_no_batch_dimension(tmp_path: Path) -> None:
    """Triton cannot give it one."""
    (tmp_path / "config.pbtxt").write_text('name: "sum"\nmax_batch_size: 0\n')
    single = ModelEntry(ModelSpec("sum", Task.TENSOR, "openvino"), tmp_path, (1,))
    (sentence,) = without_effect(loaded(NIM_MAX_BATCH_SIZE="8"), [single])
    assert "no effect on sum" in sentence


def test_a_triton_of_somebody_else_is_told_nothing() -> None:
    """Its configs are not ours to change; lengths are told by the gateway."""
    variables = {"TRITON_SERVER_URL": "elsewhere:8001", "NIM_MAX_BATCH_SIZE": "8", "NIM_MAX_MODEL_LEN": "128"}
    length, size = without_effect(loaded(**variables), [VECTORS])
    assert "max_model_len=128 (NIM_MAX_MODEL_LEN) is what clients are told, and is not held by a Triton" in length
    assert "max_batch_size=8 (NIM_MAX_BATCH_SIZE) has no effect on a Triton that somebody else runs" in size
