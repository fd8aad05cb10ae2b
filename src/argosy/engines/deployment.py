"""What an operator may say of how models run, and which engine has it.

The value of a `DeploymentOption` is its name: as a parameter of `config.pbtxt` where the engine reads it itself, and in
the settings' help. An engine lists what it has in its `EngineFactory`; what is said and an engine lacks is told at the
start and never dropped in silence. The engines of language models call it so:

=============================  ======================  ======================  =========================
option                         OpenVINO (GenAI)        vLLM                    TensorRT-LLM
=============================  ======================  ======================  =========================
max_model_len                  context, longest input  max_model_len           max_seq_len
max_input_length               longest input           by the adapter          by the adapter
max_output_length              longest answer          by the adapter          by the adapter
max_batch_size                 rows, or max_num_seqs   max_num_seqs            max_batch_size
max_num_seqs                   max_num_seqs            max_num_seqs            max_batch_size
max_num_batched_tokens         max_num_batched_tokens  max_num_batched_tokens  max_num_tokens
max_queue_delay                dynamic_batching        -                       -
instances                      instance_group          -                       -
performance_mode               streams                 -                       -
tensor_parallel_size           -                       tensor_parallel_size    tensor_parallel_size
pipeline_parallel_size         -                       pipeline_parallel_size  pipeline_parallel_size
gpu_memory_utilization         -                       gpu_memory_utilization  free_gpu_memory_fraction
kv_cache_gib                   cache_size              kv_cache_memory_bytes   max_gpu_total_bytes
kv_cache_precision             KV_CACHE_PRECISION      kv_cache_dtype          KvCacheConfig.dtype
enable_prefix_caching          enable_prefix_caching   enable_prefix_caching   enable_block_reuse
kv_cache_host_offload          -                       -                       host_cache_size
kv_cache_host_memory_fraction  -                       -                       host_cache_size
quantization                   -                       quantization            by the checkpoint
quantization_group             activations' rounding   -                       -
enable_chunked_prefill         dynamic_split_fuse      enable_chunked_prefill  enable_chunked_prefill
scheduling_policy              fcfs only               scheduling_policy       capacity_scheduler_policy
=============================  ======================  ======================  =========================

The engine `torch` has the lengths, `performance_mode` (its streams, as OpenVINO) and what Triton carries out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, TextSpec


class DeploymentOption(StrEnum):
    """One thing an operator may say of every model that is served."""

    MAX_MODEL_LEN = "max_model_len"
    MAX_INPUT_LENGTH = "max_input_length"
    MAX_OUTPUT_LENGTH = "max_output_length"
    MAX_BATCH_SIZE = "max_batch_size"
    MAX_NUM_SEQS = "max_num_seqs"
    MAX_NUM_BATCHED_TOKENS = "max_num_batched_tokens"
    MAX_QUEUE_DELAY = "max_queue_delay"
    INSTANCES = "instances"
    PERFORMANCE_MODE = "performance_mode"
    TENSOR_PARALLEL_SIZE = "tensor_parallel_size"
    PIPELINE_PARALLEL_SIZE = "pipeline_parallel_size"
    GPU_MEMORY_UTILIZATION = "gpu_memory_utilization"
    KV_CACHE_GIB = "kv_cache_gib"
    KV_CACHE_PRECISION = "kv_cache_precision"
    KV_CACHE_REUSE = "enable_prefix_caching"
    KV_CACHE_HOST_OFFLOAD = "kv_cache_host_offload"
    KV_CACHE_HOST_MEMORY_FRACTION = "kv_cache_host_memory_fraction"
    QUANTIZATION = "quantization"
    QUANTIZATION_GROUP = "quantization_group"
    CHUNKED_PREFILL = "enable_chunked_prefill"
    SCHEDULING_POLICY = "scheduling_policy"


GENERATION_ONLY = frozenset(
    {
        DeploymentOption.MAX_OUTPUT_LENGTH,
        DeploymentOption.MAX_NUM_SEQS,
        DeploymentOption.MAX_NUM_BATCHED_TOKENS,
        DeploymentOption.KV_CACHE_GIB,
        DeploymentOption.KV_CACHE_PRECISION,
        DeploymentOption.KV_CACHE_REUSE,
        DeploymentOption.KV_CACHE_HOST_OFFLOAD,
        DeploymentOption.KV_CACHE_HOST_MEMORY_FRACTION,
        DeploymentOption.QUANTIZATION,
        DeploymentOption.CHUNKED_PREFILL,
        DeploymentOption.SCHEDULING_POLICY,
    }
)
"""Said of language models only; what else is served is not meant."""

TRITON_OPTIONS = frozenset(
    {DeploymentOption.MAX_BATCH_SIZE, DeploymentOption.MAX_QUEUE_DELAY, DeploymentOption.INSTANCES}
)
"""Carried out by Triton itself, for models that answer a batch of rows at once."""

NEUTRAL: Mapping[DeploymentOption, str] = {
    DeploymentOption.TENSOR_PARALLEL_SIZE: "1",
    DeploymentOption.PIPELINE_PARALLEL_SIZE: "1",
    DeploymentOption.KV_CACHE_HOST_OFFLOAD: "false",
    DeploymentOption.QUANTIZATION: "none",
    DeploymentOption.SCHEDULING_POLICY: "fcfs",
    DeploymentOption.INSTANCES: "1",
    DeploymentOption.MAX_QUEUE_DELAY: "0",
}
"""What an engine without the option does anyway."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Limits of an operator, tokens; None leaves the model's own.

    Attributes:
        model: prompt and answer together (language models), or input (encoders).
        input: the prompt, or the input.
        output: the answer.
    """

    model: int | None = None
    input: int | None = None
    output: int | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Lengths:
        """The limits in a deployment's parameters.

        Raises:
            InvalidModelEntry: one is no whole number from 1 on.
        """
        return cls(
            _tokens(parameters, DeploymentOption.MAX_MODEL_LEN),
            _tokens(parameters, DeploymentOption.MAX_INPUT_LENGTH),
            _tokens(parameters, DeploymentOption.MAX_OUTPUT_LENGTH),
        )


def shortened(spec: ModelSpec, lengths: Lengths) -> ModelSpec:
    """The model with its lengths cut down to the limits; a limit never makes a model longer."""
    generate, text = spec.generate, spec.text
    if generate is not None:
        generate = _shorter_context(generate, lengths)
    if text is not None:
        text = _shorter_input(text, lengths)
    return spec if (generate, text) == (spec.generate, spec.text) else replace(spec, generate=generate, text=text)


def _shorter_context(generate: GenerateSpec, lengths: Lengths) -> GenerateSpec:
    return replace(generate, context_length=_least(generate.context_length, lengths.model))


def _shorter_input(text: TextSpec, lengths: Lengths) -> TextSpec:
    return replace(text, max_tokens=_least(text.max_tokens, lengths.model, lengths.input))


def _least(own: int, *limits: int | None) -> int:
    return min(own, *(limit for limit in limits if limit is not None)) if any(limits) else own


def _tokens(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InvalidModelEntry(f"The parameter {name!r} of config.pbtxt is {text!r}; write a whole number from 1.")
    return int(text)
