"""What this engine's generations can do, and what an operator may say of them."""

from __future__ import annotations

from argosy.engines.contract import Feature
from argosy.engines.deployment import DeploymentOption

FEATURES = frozenset(Feature) - {Feature.TOP_LOGPROBS}
OPTIONS = frozenset(
    {
        DeploymentOption.MAX_MODEL_LEN,
        DeploymentOption.MAX_INPUT_LENGTH,
        DeploymentOption.MAX_OUTPUT_LENGTH,
        DeploymentOption.MAX_BATCH_SIZE,
        DeploymentOption.MAX_NUM_SEQS,
        DeploymentOption.MAX_NUM_BATCHED_TOKENS,
        DeploymentOption.TENSOR_PARALLEL_SIZE,
        DeploymentOption.PIPELINE_PARALLEL_SIZE,
        DeploymentOption.GPU_MEMORY_UTILIZATION,
        DeploymentOption.KV_CACHE_GIB,
        DeploymentOption.KV_CACHE_PRECISION,
        DeploymentOption.KV_CACHE_REUSE,
        DeploymentOption.KV_CACHE_HOST_OFFLOAD,
        DeploymentOption.KV_CACHE_HOST_MEMORY_FRACTION,
        DeploymentOption.CHUNKED_PREFILL,
        DeploymentOption.SCHEDULING_POLICY,
    }
)
