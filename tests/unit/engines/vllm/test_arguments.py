"""A deployment becomes vLLM's arguments and environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ProfileSpec
from argosy.engines.deployment import DeploymentOption
from argosy.engines.language_checkpoint import Checkpoint
from argosy.engines.peft import PeftAdapter
from argosy.engines.registry import deployment_options
from argosy.engines.vllm.arguments import Deployment, engine_arguments, environment
from argosy.engines.vllm.options import VllmOptions, parse
from tests.suites.tiny_checkpoints import tiny_checkpoint_spec

CHECKPOINT = Checkpoint(Path("/models/tiny/1"), frozenset(), (1,), 269, "")
PLAIN = Deployment(tiny_checkpoint_spec(), 2048, CHECKPOINT, None, VllmOptions(), threads=3, cpu=False, seed=5)


def arguments(deployment: Deployment = PLAIN, **options: str) -> dict[str, Any]:
    return engine_arguments(replace(deployment, options=parse(options)))


def test_runs_what_lies_in_the_folder_and_nothing_else() -> None:
    """No code of the checkpoint's, no pickles, no defaults of a file that changes what clients asked for."""
    made = arguments()
    assert (made["model"], made["max_model_len"], made["dtype"]) == ("/models/tiny/1", 2048, "float32")
    assert (made["trust_remote_code"], made["load_format"], made["generation_config"]) == (False, "safetensors", "vllm")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"max_num_seqs": "7"}, {"max_num_seqs": 7}),
        ({"max_num_batched_tokens": "96"}, {"max_num_batched_tokens": 96}),
        ({"enable_chunked_prefill": "false"}, {"enable_chunked_prefill": False, "max_num_batched_tokens": 2048}),
        ({"enable_prefix_caching": "false"}, {"enable_prefix_caching": False}),
        ({"tensor_parallel_size": "2"}, {"tensor_parallel_size": 2}),
        ({"pipeline_parallel_size": "2"}, {"pipeline_parallel_size": 2}),
        ({"gpu_memory_utilization": "0.5"}, {"gpu_memory_utilization": 0.5}),
        ({"kv_cache_gib": "2"}, {"kv_cache_memory_bytes": 2 << 30}),
        ({"kv_cache_precision": "fp8"}, {"kv_cache_dtype": "fp8"}),
        ({"kv_cache_precision": "bf16"}, {"kv_cache_dtype": "bfloat16"}),
        ({"kv_cache_precision": "f32"}, {"kv_cache_dtype": "auto"}),
        ({"quantization": "fp8"}, {"quantization": "fp8"}),
        ({"quantization": "nvfp4"}, {"quantization": "modelopt_fp4"}),
        ({"quantization": "none"}, {"quantization": None}),
        ({"scheduling_policy": "priority"}, {"scheduling_policy": "priority"}),
        ({"enforce_eager": "true"}, {"enforce_eager": True}),
        ({}, {"enforce_eager": False, "kv_cache_dtype": "auto", "quantization": None}),
    ],
)
def test_every_option_has_its_argument(said: dict[str, str], wanted: dict[str, Any]) -> None:
    """On a GPU."""
    assert wanted.items() <= arguments(**said).items()


def test_the_registry_promises_what_is_read_here() -> None:
    """Every option of the table that names vLLM; lengths are held before the engine, the batch becomes answers."""
    elsewhere = {"max_model_len", "max_input_length", "max_output_length", "max_batch_size"}
    assert {str(option) for option in deployment_options("vllm")} - elsewhere <= set(VllmOptions.__slots__)
    assert DeploymentOption.KV_CACHE_HOST_OFFLOAD not in deployment_options("vllm")


def test_a_processor_is_told_by_the_environment() -> None:
    """The cache's size and the threads; nothing is bound to a core, and the network is not compiled."""
    made = replace(PLAIN, cpu=True, options=parse({"kv_cache_gib": "6", "gpu_memory_utilization": "0.5"}))
    assert arguments(made)["enforce_eager"] is True
    assert not {"gpu_memory_utilization", "kv_cache_memory_bytes"} & engine_arguments(made).keys()
    variables = environment(made)
    assert variables["VLLM_CPU_KVCACHE_SPACE"] == "6"
    assert variables["OMP_NUM_THREADS"] == "3"
    assert variables["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment(PLAIN)


def test_nothing_is_fetched_and_nobody_told() -> None:
    """Whatever the machine's own environment says."""
    assert {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}.items() <= environment(PLAIN).items()


def test_quantised_weights_speak_for_themselves() -> None:
    """Also where the operator names what they are."""
    quantised = replace(PLAIN, checkpoint=replace(CHECKPOINT, quantization="compressed-tensors"))
    assert arguments(quantised, quantization="int8")["quantization"] is None


@pytest.mark.parametrize("said", [{"quantization": "int8"}, {"kv_cache_precision": "f16"}])
def test_what_vllm_does_not_do_is_refused(said: dict[str, str]) -> None:
    """By the parameter's name."""
    with pytest.raises(InvalidModelEntry, match=next(iter(said))):
        arguments(**said)


def test_a_precision_without_a_type_is_refused() -> None:
    """By its name."""
    spec = replace(PLAIN.spec, profile=ProfileSpec(precision="int8"))
    with pytest.raises(InvalidModelEntry, match="int8"):
        arguments(replace(PLAIN, spec=spec))


@pytest.mark.parametrize(("rank", "told"), [(1, 1), (4, 8), (16, 16), (33, 64)])
def test_an_adapter_s_rank_is_rounded_up(rank: int, told: int) -> None:
    """vLLM knows a few."""
    made = arguments(replace(PLAIN, adapter=PeftAdapter(Path("a"), rank, 1.0, ("x",))))
    assert (made["enable_lora"], made["max_loras"], made["max_lora_rank"]) == (True, 1, told)


def test_an_adapter_of_a_large_rank_is_refused() -> None:
    """Before vLLM is started."""
    with pytest.raises(InvalidModelEntry, match="rank 513"):
        arguments(replace(PLAIN, adapter=PeftAdapter(Path("a"), 513, 1.0, ("x",))))
