"""What `tensorrt_llm.LLM` is given, by its documentation; the library is not here to try it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.peft import PeftAdapter
from argosy.engines.tensorrt_llm.arguments import GIB, environment, llm_arguments
from argosy.engines.tensorrt_llm.options import TensorrtLlmOptions, parse
from tests.unit.engines.tensorrt_llm.deployments import CONTEXT_LENGTH, FOLDER, HOST_MEMORY, deployment


def test_a_plain_deployment() -> None:
    """The whole of it: nothing else is said to the library."""
    assert llm_arguments(deployment()) == {
        "model": str(FOLDER),
        "trust_remote_code": False,
        "dtype": "bfloat16",
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "max_batch_size": 64,
        "max_seq_len": CONTEXT_LENGTH,
        "max_input_len": CONTEXT_LENGTH,
        "max_num_tokens": 8192,
        "max_beam_width": 1,
        "enable_chunked_prefill": True,
        "kv_cache_config": {"enable_block_reuse": True},
        "scheduler_config": {"capacity_scheduler_policy": "GUARANTEED_NO_EVICT"},
        "guided_decoding_backend": "xgrammar",
        "sampler_type": "TRTLLMSampler",
        "enable_iter_perf_stats": True,
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"max_num_seqs": "8"}, {"max_batch_size": 8}),
        ({"max_num_batched_tokens": "2048"}, {"max_num_tokens": 2048}),
        ({"max_num_batched_tokens": "16"}, {"max_num_tokens": 16, "max_batch_size": 16}),
        ({"max_num_batched_tokens": "16", "max_num_seqs": "32"}, {"max_num_tokens": 32, "max_batch_size": 32}),
        ({"enable_chunked_prefill": "false"}, {"enable_chunked_prefill": False, "max_num_tokens": 8192}),
        ({"enable_chunked_prefill": "false", "max_num_batched_tokens": "256"}, {"max_num_tokens": CONTEXT_LENGTH}),
        ({"tensor_parallel_size": "4", "pipeline_parallel_size": "2"}, {"tensor_parallel_size": 4}),
        ({"enable_prefix_caching": "false"}, {"kv_cache_config": {"enable_block_reuse": False}}),
        (
            {"gpu_memory_utilization": "0.7"},
            {"kv_cache_config": {"enable_block_reuse": True, "free_gpu_memory_fraction": 0.7}},
        ),
        ({"kv_cache_gib": "3"}, {"kv_cache_config": {"enable_block_reuse": True, "max_gpu_total_bytes": 3 * GIB}}),
        ({"kv_cache_precision": "fp8"}, {"kv_cache_config": {"enable_block_reuse": True, "dtype": "fp8"}}),
        ({"kv_cache_precision": "bf16"}, {"kv_cache_config": {"enable_block_reuse": True}}),
        (
            {"scheduling_policy": "max_utilization"},
            {"scheduler_config": {"capacity_scheduler_policy": "MAX_UTILIZATION"}},
        ),
    ],
)
def test_each_option_reaches_its_argument(parameters: dict[str, str], expected: dict[str, object]) -> None:
    """Under the library's name, and so that the library takes it."""
    arguments = llm_arguments(deployment(**parameters))
    assert {name: arguments[name] for name in expected} == expected


def test_the_hosts_memory_is_divided_among_the_processes() -> None:
    """Every GPU has a process, and each keeps as much as it is told."""
    given = {"kv_cache_host_offload": "true", "kv_cache_host_memory_fraction": "0.5", "tensor_parallel_size": "2"}
    assert llm_arguments(deployment(**given))["kv_cache_config"]["host_cache_size"] == HOST_MEMORY // 4
    assert "host_cache_size" not in llm_arguments(deployment(kv_cache_host_memory_fraction="0.5"))["kv_cache_config"]


def test_an_adapter_is_given_room_for_its_rank() -> None:
    """One adapter, loaded from its folder."""
    adapter = PeftAdapter(Path("/adapters/a/adapter_model.safetensors"), 24, 2.0, ("model.layers.0.self_attn.q_proj",))
    assert llm_arguments(deployment(adapter=adapter))["lora_config"] == {
        "lora_dir": ["/adapters/a"],
        "max_lora_rank": 24,
        "max_loras": 1,
        "max_cpu_loras": 1,
    }


def test_precisions_without_kernels_are_refused() -> None:
    """Neither the model's nor the cache's becomes another than was asked for."""
    with pytest.raises(InvalidModelEntry, match="bf16 or f16"):
        llm_arguments(deployment("f32"))
    with pytest.raises(InvalidModelEntry, match="kv_cache_precision"):
        llm_arguments(deployment("f16", kv_cache_precision="bf16"))
    assert llm_arguments(deployment("f16"))["dtype"] == "float16"


def test_one_gpu_needs_one_process_more() -> None:
    """The library starts processes of its own for several GPUs only; its interpreter's tools come first."""
    one = environment(deployment(worker_python="/opt/trt/bin/python"), "/usr/bin")
    assert one["PATH"] == "/opt/trt/bin:/usr/bin"
    assert one["TLLM_WORKER_USE_SINGLE_PROCESS"] == "1"
    assert one["HF_HUB_OFFLINE"] == "1"
    assert "TLLM_WORKER_USE_SINGLE_PROCESS" not in environment(deployment(tensor_parallel_size="2"), "/usr/bin")


def test_nothing_said_leaves_everything_as_it_is() -> None:
    """Parameters of other parts of the system are not this engine's business."""
    assert parse({"max_model_len": "100", "threads": "2"}) == TensorrtLlmOptions()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_num_seqs", "0"),
        ("enable_prefix_caching", "yes"),
        ("gpu_memory_utilization", "1.5"),
        ("kv_cache_precision", "u8"),
        ("scheduling_policy", "priority"),
        ("stall_timeout_s", "soon"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(name: str, value: str) -> None:
    """The message names the parameter."""
    with pytest.raises(InvalidModelEntry, match=name):
        parse({name: value})
