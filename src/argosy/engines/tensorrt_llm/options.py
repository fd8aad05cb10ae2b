"""The engine's options, from the strings of a deployment's `config.pbtxt` parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from argosy.engines.parameters import one_of, positive, read_given, share, switch, token_for_each

WORKER_PYTHON = "worker_python"
_KV_PRECISIONS = ("bf16", "f16", "fp8")
POLICIES: Mapping[str, str] = {
    "fcfs": "GUARANTEED_NO_EVICT",
    "guarantee_no_evict": "GUARANTEED_NO_EVICT",
    "max_utilization": "MAX_UTILIZATION",
    "static_batch": "STATIC_BATCH",
}
"""The library's `CapacitySchedulerPolicy` by the word of the settings."""


@dataclass(frozen=True, slots=True)
class TensorrtLlmOptions:
    """How TensorRT-LLM runs a model; None and empty texts leave the choice to it.

    Attributes:
        max_num_seqs: most generations in one forward pass; more wait.
        max_num_batched_tokens: most tokens in one forward pass; longer prompts are read in pieces.
        enable_chunked_prefill: read prompts in pieces; otherwise a pass is made as large as the context.
        enable_prefix_caching: keep the KV cache of finished prompts for later ones that begin the same.
        tensor_parallel_size: GPUs that share each layer.
        pipeline_parallel_size: groups of GPUs that share the layers.
        gpu_memory_utilization: for the KV cache, share of the memory that the weights leave free.
        kv_cache_gib: most memory for the KV cache on a GPU, GiB.
        kv_cache_precision: type of the KV cache.
        kv_cache_host_offload: move blocks of the KV cache that no request uses to the host's memory.
        kv_cache_host_memory_fraction: share of the host's memory for them.
        scheduling_policy: when a waiting request may begin; a key of `POLICIES`.
        start_timeout_s: seconds that loading may take.
        stall_timeout_s: seconds without a sign of life, while answers are under way, after which the worker is
            started again.
        grammar_budget_ms: milliseconds that compiling one request's constraint may keep all others waiting; what takes
            longer is refused.
        worker_python: interpreter of the environment that has TensorRT-LLM.
    """

    max_num_seqs: int = 64
    max_num_batched_tokens: int | None = None
    enable_chunked_prefill: bool = True
    enable_prefix_caching: bool = True
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    gpu_memory_utilization: float | None = None
    kv_cache_gib: int | None = None
    kv_cache_precision: str = ""
    kv_cache_host_offload: bool = False
    kv_cache_host_memory_fraction: float = 0.1
    scheduling_policy: str = "fcfs"
    start_timeout_s: int = 1200
    stall_timeout_s: int = 120
    grammar_budget_ms: int = 250
    worker_python: str = sys.executable


_READERS: Mapping[str, Callable[[str], object]] = {
    "max_num_seqs": positive,
    "max_num_batched_tokens": positive,
    "enable_chunked_prefill": switch,
    "enable_prefix_caching": switch,
    "tensor_parallel_size": positive,
    "pipeline_parallel_size": positive,
    "gpu_memory_utilization": share,
    "kv_cache_gib": positive,
    "kv_cache_precision": one_of(_KV_PRECISIONS),
    "kv_cache_host_offload": switch,
    "kv_cache_host_memory_fraction": share,
    "scheduling_policy": one_of(tuple(POLICIES)),
    "start_timeout_s": positive,
    "stall_timeout_s": positive,
    "grammar_budget_ms": positive,
    WORKER_PYTHON: str,
}


def parse(parameters: Mapping[str, str]) -> TensorrtLlmOptions:
    """The options in `parameters`; keys of other parts of the system are ignored.

    Raises:
        InvalidModelEntry: a value cannot be used; the message names the parameter.
    """
    options = TensorrtLlmOptions(**read_given(parameters, _READERS))  # type: ignore[arg-type]  # readers give the types
    seats, tokens = token_for_each(
        options.max_num_seqs, options.max_num_batched_tokens, seats_given="max_num_seqs" in parameters
    )
    return replace(options, max_num_seqs=seats, max_num_batched_tokens=tokens)
