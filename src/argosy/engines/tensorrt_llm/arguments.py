"""From a deployment to the arguments of `tensorrt_llm.LLM`, as plain data; imports no library.

Sources: the class `TorchLlmArgs` and the configurations it holds, https://nvidia.github.io/TensorRT-LLM (1.2), LLM API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.engines.language_checkpoint import Checkpoint
from argosy.engines.peft import PeftAdapter
from argosy.engines.tensorrt_llm.options import POLICIES, TensorrtLlmOptions

GIB = 1 << 30
SAMPLER = "TRTLLMSampler"
_DTYPES = {"bf16": "bfloat16", "f16": "float16"}
_DEFAULT_BATCHED_TOKENS = 8192
"""The library's own."""

_QUIET: Mapping[str, str] = {
    # Nothing is fetched.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TLLM_LOG_LEVEL": "WARNING",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be run, every file already looked at.

    Attributes:
        host_memory: of this machine, bytes.
    """

    spec: ModelSpec
    context_length: int
    checkpoint: Checkpoint
    adapter: PeftAdapter | None
    options: TensorrtLlmOptions
    host_memory: int

    @property
    def gpus(self) -> int:
        """GPUs, and processes of the library, that run the model."""
        return self.options.tensor_parallel_size * self.options.pipeline_parallel_size


def llm_arguments(deployment: Deployment) -> dict[str, Any]:
    """Keyword arguments of `LLM`; what the library holds in a class of its own is a mapping of that class's arguments.

    Raises:
        InvalidModelEntry: a precision that TensorRT-LLM does not compute in.
    """
    options = deployment.options
    arguments: dict[str, Any] = {
        "model": str(deployment.checkpoint.directory),
        "trust_remote_code": False,
        "dtype": _dtype(deployment.spec),
        "tensor_parallel_size": options.tensor_parallel_size,
        "pipeline_parallel_size": options.pipeline_parallel_size,
        "max_batch_size": options.max_num_seqs,
        "max_seq_len": deployment.context_length,
        "max_input_len": deployment.context_length,
        "max_num_tokens": _batched_tokens(deployment),
        "max_beam_width": 1,
        "enable_chunked_prefill": options.enable_chunked_prefill,
        "kv_cache_config": _kv_cache(deployment),
        "scheduler_config": {"capacity_scheduler_policy": POLICIES[options.scheduling_policy]},
        "guided_decoding_backend": "xgrammar",
        "sampler_type": SAMPLER,
        "enable_iter_perf_stats": True,
    }
    if deployment.adapter is not None:
        arguments["lora_config"] = _lora(deployment.adapter)
    return arguments


def environment(deployment: Deployment, path: str) -> dict[str, str]:
    """Variables of the worker, over those of its parent.

    Args:
        deployment: what is to be run.
        path: the parent's `PATH`.
    """
    variables = {**_QUIET, "PATH": f"{Path(deployment.options.worker_python).parent}:{path}"}
    if deployment.gpus == 1:
        # The worker is a process of its own already; without a second one its end is the end of everything.
        variables["TLLM_WORKER_USE_SINGLE_PROCESS"] = "1"
    return variables


def _dtype(spec: ModelSpec) -> str:
    try:
        return _DTYPES[spec.profile.precision]
    except KeyError:
        raise InvalidModelEntry(
            f"argosy.yaml of {spec.name!r}: TensorRT-LLM computes in {' or '.join(_DTYPES)}, "
            f"not in the precision {spec.profile.precision!r}."
        ) from None


def _batched_tokens(deployment: Deployment) -> int:
    asked = deployment.options.max_num_batched_tokens or _DEFAULT_BATCHED_TOKENS
    # Without pieces a whole prompt is read at once, and the library refuses those that do not fit.
    return asked if deployment.options.enable_chunked_prefill else max(asked, deployment.context_length)


def _kv_cache(deployment: Deployment) -> dict[str, Any]:
    """Arguments of `KvCacheConfig`; of two limits of the memory the smaller one counts."""
    options = deployment.options
    cache: dict[str, Any] = {"enable_block_reuse": options.enable_prefix_caching}
    if options.gpu_memory_utilization is not None:
        cache["free_gpu_memory_fraction"] = options.gpu_memory_utilization
    if options.kv_cache_gib is not None:
        cache["max_gpu_total_bytes"] = options.kv_cache_gib * GIB
    if options.kv_cache_precision not in {"", deployment.spec.profile.precision}:
        cache["dtype"] = _cache_type(options.kv_cache_precision, deployment.spec.profile.precision)
    if options.kv_cache_host_offload:
        share = options.kv_cache_host_memory_fraction * deployment.host_memory
        cache["host_cache_size"] = int(share) // deployment.gpus
    return cache


def _cache_type(asked: str, precision: str) -> str:
    if asked != "fp8":
        raise InvalidModelEntry(
            f"Parameter 'kv_cache_precision' of the model's config.pbtxt is {asked!r}; beside the precision "
            f"{precision!r} TensorRT-LLM's cache may be fp8."
        )
    return asked


def _lora(adapter: PeftAdapter) -> dict[str, Any]:
    """Arguments of `LoraConfig`."""
    return {
        "lora_dir": [str(adapter.path.parent)],
        "max_lora_rank": adapter.rank,
        "max_loras": 1,
        "max_cpu_loras": 1,
    }
