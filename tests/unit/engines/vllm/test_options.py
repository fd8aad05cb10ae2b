"""What a deployment's parameters say reaches the engine, and what cannot be used is named."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.vllm.options import VllmOptions, parse


def test_nothing_said_leaves_the_defaults() -> None:
    """Keys of other parts of the system are not looked at."""
    assert parse({"threads": "2", "max_model_len": "100"}) == VllmOptions()


def test_every_option_is_read() -> None:
    """Each in its own type."""
    said = {
        "max_num_seqs": "5",
        "max_num_batched_tokens": "512",
        "enable_chunked_prefill": "false",
        "enable_prefix_caching": "false",
        "tensor_parallel_size": "2",
        "pipeline_parallel_size": "3",
        "gpu_memory_utilization": "0.8",
        "kv_cache_gib": "4",
        "kv_cache_precision": "fp8",
        "quantization": "awq",
        "scheduling_policy": "priority",
        "enforce_eager": "true",
        "start_timeout_s": "90",
    }
    assert parse(said) == VllmOptions(5, 512, False, False, 2, 3, 0.8, 4, "fp8", "awq", "priority", True, 90)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_num_seqs", "0"),
        ("max_num_batched_tokens", "many"),
        ("enable_prefix_caching", "yes"),
        ("gpu_memory_utilization", "1.5"),
        ("gpu_memory_utilization", "nan"),
        ("kv_cache_precision", "u8"),
        ("quantization", "1bit"),
        ("scheduling_policy", "max_utilization"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    """With the parameter and what to write."""
    with pytest.raises(InvalidModelEntry, match=rf"'{name}'.*{value}.*write"):
        parse({name: value})


def test_a_pass_has_a_token_for_each_answer() -> None:
    """vLLM starts nothing otherwise; the number that was said counts."""
    assert parse({"max_num_batched_tokens": "16"}).max_num_seqs == 16
    both = parse({"max_num_batched_tokens": "16", "max_num_seqs": "32"})
    assert (both.max_num_seqs, both.max_num_batched_tokens) == (32, 32)
