"""From a deployment to the arguments of vLLM's `AsyncEngineArgs`, and to its environment; imports no library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.engines.language_checkpoint import Checkpoint
from argosy.engines.peft import PeftAdapter
from argosy.engines.vllm.options import VllmOptions
from argosy.engines.vllm.sampling import MOST_LOGPROBS

GIB = 1 << 30
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM may be told as the largest rank of an adapter."""

QUIET: Mapping[str, str] = {
    # Nothing is fetched and nobody is told.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    # A fork would copy the locks of the threads that host us.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "LC_ALL": "C.UTF-8",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Variables for every vLLM, from its import on."""

_DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
_ONLINE = {"fp8": "fp8", "awq": "awq", "gptq": "gptq", "nvfp4": "modelopt_fp4", "mxfp4": "mxfp4"}
_DEFAULT_CPU_CACHE_GIB = 1


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be run, every file already looked at.

    Attributes:
        threads: processor threads, on a machine without GPU.
        cpu: whether this vLLM is the one for processors.
        seed: of the draws of generations without a seed of their own.
    """

    spec: ModelSpec
    context_length: int
    checkpoint: Checkpoint
    adapter: PeftAdapter | None
    options: VllmOptions
    threads: int
    cpu: bool
    seed: int


def engine_arguments(deployment: Deployment) -> dict[str, Any]:
    """Keyword arguments of `AsyncEngineArgs`.

    Raises:
        InvalidModelEntry: an option that vLLM cannot carry out for this checkpoint.
    """
    options = deployment.options
    arguments: dict[str, Any] = {
        "model": str(deployment.checkpoint.directory),
        "served_model_name": [deployment.spec.name],
        "trust_remote_code": False,
        "load_format": "safetensors",
        "generation_config": "vllm",
        "dtype": _dtype(deployment.spec),
        "seed": deployment.seed,
        "max_model_len": deployment.context_length,
        "max_num_seqs": options.max_num_seqs,
        "enable_prefix_caching": options.enable_prefix_caching,
        "enable_chunked_prefill": options.enable_chunked_prefill,
        "tensor_parallel_size": options.tensor_parallel_size,
        "pipeline_parallel_size": options.pipeline_parallel_size,
        "scheduling_policy": options.scheduling_policy,
        "kv_cache_dtype": _kv_cache_dtype(options.kv_cache_precision, deployment.spec.profile.precision),
        "quantization": _quantization(options.quantization, deployment.checkpoint),
        "enforce_eager": deployment.cpu if options.enforce_eager is None else options.enforce_eager,
        "max_logprobs": MOST_LOGPROBS,
        # Another backend would be chosen by the first constraint that this one lacks, for all that follow.
        "structured_outputs_config": {"backend": "xgrammar"},
        "enable_log_requests": False,
        # Gauges are taken by a logger of ours; vLLM's own would write a line every ten seconds.
        "disable_log_stats": True,
    }
    return {**arguments, **_batched_tokens(deployment), **_memory(deployment), **_lora(deployment.adapter)}


def environment(deployment: Deployment) -> dict[str, str]:
    """Variables that vLLM reads, here and in its processes."""
    values = {**QUIET, "VLLM_ENGINE_READY_TIMEOUT_S": str(deployment.options.start_timeout_s)}
    if deployment.cpu:
        values |= {
            "VLLM_CPU_KVCACHE_SPACE": str(deployment.options.kv_cache_gib or _DEFAULT_CPU_CACHE_GIB),
            # Bound to processors of its choice, two models would crowd onto the same.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(deployment.threads),
        }
    return values


def _dtype(spec: ModelSpec) -> str:
    try:
        return _DTYPES[spec.profile.precision]
    except KeyError:
        raise InvalidModelEntry(
            f"argosy.yaml of {spec.name!r}: vLLM computes in {', '.join(_DTYPES)}, "
            f"not in the precision {spec.profile.precision!r}."
        ) from None


def _kv_cache_dtype(asked: str, precision: str) -> str:
    if asked in {"", precision}:
        return "auto"
    if asked == "fp8":
        return "fp8"
    if asked == "bf16":
        return "bfloat16"
    raise InvalidModelEntry(
        f"Parameter 'kv_cache_precision' of the model's config.pbtxt is {asked!r}; beside the precision "
        f"{precision!r} vLLM's cache may be bf16 or fp8."
    )


def _quantization(asked: str, checkpoint: Checkpoint) -> str | None:
    """VLLM's word for what becomes of the weights while they are loaded; None where the files say enough."""
    if asked == "none" or checkpoint.quantization:
        return None
    if asked not in _ONLINE:
        raise InvalidModelEntry(
            f"Parameter 'quantization' of the model's config.pbtxt is {asked!r}; vLLM does not make that of a "
            "checkpoint's weights. Use a checkpoint that is quantised so, or leave it out."
        )
    return _ONLINE[asked]


def _batched_tokens(deployment: Deployment) -> Mapping[str, int]:
    options = deployment.options
    if options.enable_chunked_prefill:
        return (
            {} if options.max_num_batched_tokens is None else {"max_num_batched_tokens": options.max_num_batched_tokens}
        )
    # A whole prompt is read at once, and vLLM starts nothing where one does not fit.
    return {"max_num_batched_tokens": max(deployment.context_length, options.max_num_batched_tokens or 0)}


def _memory(deployment: Deployment) -> Mapping[str, float]:
    """On processors the size of the cache is in the environment."""
    options = deployment.options
    if deployment.cpu:
        return {}
    memory: dict[str, float] = {}
    if options.gpu_memory_utilization is not None:
        memory["gpu_memory_utilization"] = options.gpu_memory_utilization
    if options.kv_cache_gib is not None:
        memory["kv_cache_memory_bytes"] = options.kv_cache_gib * GIB
    return memory


def _lora(adapter: PeftAdapter | None) -> Mapping[str, Any]:
    if adapter is None:
        return {}
    rank = next((rank for rank in RANKS if rank >= adapter.rank), None)
    if rank is None:
        raise InvalidModelEntry(f"{adapter.path} is of rank {adapter.rank}; vLLM applies ranks up to {RANKS[-1]}.")
    return {"enable_lora": True, "max_loras": 1, "max_cpu_loras": 1, "max_lora_rank": rank}
