"""Deployments of a checkpoint whose files are not looked at."""

from __future__ import annotations

from pathlib import Path

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from argosy.engines.language_checkpoint import Checkpoint
from argosy.engines.peft import PeftAdapter
from argosy.engines.tensorrt_llm.arguments import Deployment
from argosy.engines.tensorrt_llm.options import parse

CONTEXT_LENGTH = 4096
FOLDER = Path("/models/llama/1")
HOST_MEMORY = 64 << 30


def spec(precision: str = "bf16") -> ModelSpec:
    """A language model for this engine."""
    return ModelSpec(
        name="llama",
        task=Task.GENERATE,
        engine="tensorrt_llm",
        model="config.json",
        profile=ProfileSpec(precision),
        generate=GenerateSpec(context_length=CONTEXT_LENGTH),
    )


def deployment(precision: str = "bf16", adapter: PeftAdapter | None = None, **parameters: str) -> Deployment:
    """What the engine would be started with, given a deployment's parameters."""
    checkpoint = Checkpoint(FOLDER, frozenset({"lm_head.weight"}), (2,), 32000, "")
    return Deployment(spec(precision), CONTEXT_LENGTH, checkpoint, adapter, parse(parameters), HOST_MEMORY)
