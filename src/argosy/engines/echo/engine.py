"""Choose between echoing tensors and echoing text.

Copy this folder to begin an engine: `engine.py` holds `create`, which only stores what it is given; everything that
can fail or takes long belongs in `start`.
"""

from __future__ import annotations

from argosy.core.models import ModelSpec, Task
from argosy.engines.contract import EngineOptions, GenerationEngine, TensorEngine
from argosy.engines.echo.generation import EchoGeneration
from argosy.engines.echo.tensor import EchoTensor


def create(spec: ModelSpec, options: EngineOptions) -> TensorEngine | GenerationEngine:
    """Build the echo engine for the entry's task; it is not started."""
    if spec.task is Task.GENERATE:
        return EchoGeneration(spec, options)
    return EchoTensor(spec, options)
