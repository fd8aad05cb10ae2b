"""Estimates of the memory beside weights and KV cache.

These are estimates: engines measure the peak by a trial run when they start (vLLM: "memory profiling"), which cannot
be done for a machine that is only described.
"""

from __future__ import annotations

from argosy.server.profiles.facts import Facts
from argosy.server.profiles.memory import GIB

CUDA_BASE = 3 * GIB // 4
"""CUDA context, kernels and captured graphs on each GPU."""

CPU_BASE = 3 * GIB // 10
"""A model process of Triton: 0.1 to 0.2 GiB were measured for the bundled models with OpenVINO, 0.3 with torch."""

VLLM_BASE = 13 * GIB // 10
"""The three processes of vLLM on a processor: 1.3 GiB were measured beside 1 GiB of cache, for a model of 2 MiB."""

HOST_RESERVE = GIB // 2
"""Triton, supervisor and gateway, which share the processor's memory with the models; 0.14 GiB were measured with one
gateway process, and each further one takes 0.06."""

_GPU_TOKENS = 2048
_GPU_SEQUENCES = 256
_CPU_TOKENS = 256
_CPU_SEQUENCES = 64
_ENCODER_TOKENS = 8192


def on_gpu(facts: Facts, tp: int) -> int:
    """Bytes on each GPU.

    For language models vLLM's defaults are taken: 2048 tokens in one forward pass (`max_num_batched_tokens`), at most
    256 sequences (`max_num_seqs`), activations in 2 bytes, logits in 4.
    """
    if facts.is_language_model:
        return CUDA_BASE + _activations(facts, _GPU_TOKENS, 2, tp) + 4 * _GPU_SEQUENCES * facts.vocabulary
    return CUDA_BASE + _activations(facts, _ENCODER_TOKENS, 2, 1)


def on_cpu(facts: Facts, engine: str) -> int:
    """Bytes of the model's processes; 256 tokens in a forward pass (vLLM 2048), 64 sequences, numbers of 4 bytes."""
    if engine == "vllm":
        return VLLM_BASE + _activations(facts, _GPU_TOKENS, 4, 1) + 4 * _CPU_SEQUENCES * facts.vocabulary
    if facts.is_language_model:
        return CPU_BASE + _activations(facts, _CPU_TOKENS, 4, 1) + 4 * _CPU_SEQUENCES * facts.vocabulary
    return CPU_BASE + _activations(facts, _ENCODER_TOKENS, 4, 1)


def _activations(facts: Facts, tokens: int, size: int, tp: int) -> int:
    """Residual, query, key, value and output of a layer, and the two wide vectors of its feed-forward part."""
    return tokens * size * (6 * facts.hidden + 2 * facts.intermediate // tp)
