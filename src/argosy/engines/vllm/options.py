"""The engine's options, from the strings of a deployment's `config.pbtxt` parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from argosy.engines.parameters import one_of, positive, read_given, share, switch, token_for_each

_KV_PRECISIONS = ("bf16", "f16", "f32", "fp8")
_QUANTIZATIONS = ("none", "fp8", "int8", "int4", "awq", "gptq", "nvfp4", "mxfp4")
_POLICIES = ("fcfs", "priority")


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """How vLLM runs a model; None and empty texts leave the choice to vLLM.

    Attributes:
        max_num_seqs: most generations in one forward pass; more wait.
        max_num_batched_tokens: most tokens in one forward pass; longer prompts are read in pieces.
        enable_chunked_prefill: read prompts in pieces; otherwise a pass is made as large as the context.
        enable_prefix_caching: keep the KV cache of finished prompts for later ones that begin the same.
        tensor_parallel_size: GPUs that share each layer.
        pipeline_parallel_size: groups of GPUs that share the layers.
        gpu_memory_utilization: share of a GPU's memory for weights and KV cache together.
        kv_cache_gib: memory for the KV cache, GiB; on a GPU it takes the place of `gpu_memory_utilization`.
        kv_cache_precision: type of the KV cache.
        quantization: what the weights are, or become when they are loaded.
        scheduling_policy: which waiting request is next.
        enforce_eager: run the network as it is, without compiling it or capturing CUDA graphs.
        start_timeout_s: seconds that loading may take.
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
    quantization: str = "none"
    scheduling_policy: str = "fcfs"
    enforce_eager: bool | None = None
    start_timeout_s: int = 600


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
    "quantization": one_of(_QUANTIZATIONS),
    "scheduling_policy": one_of(_POLICIES),
    "enforce_eager": switch,
    "start_timeout_s": positive,
}


def parse(parameters: Mapping[str, str]) -> VllmOptions:
    """The options in `parameters`; keys of other parts of the system are ignored.

    Raises:
        InvalidModelEntry: a value cannot be used; the message names the parameter.
    """
    options = VllmOptions(**read_given(parameters, _READERS))  # type: ignore[arg-type]  # readers give the fields' types
    seats, tokens = token_for_each(
        options.max_num_seqs, options.max_num_batched_tokens, seats_given="max_num_seqs" in parameters
    )
    return replace(options, max_num_seqs=seats, max_num_batched_tokens=tokens)
