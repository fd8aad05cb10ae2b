"""Choose what serves the entry's task."""

from __future__ import annotations

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.engines.contract import EngineOptions, TensorEngine
from argosy.engines.torch.encoder import Encoder

_TASKS = (Task.EMBED, Task.RANK, Task.CLASSIFY)


def create(spec: ModelSpec, options: EngineOptions) -> TensorEngine:
    """Build the engine for the entry's task; it is not started.

    Raises:
        InvalidModelEntry: the task is none of a text encoder's.
    """
    if spec.task not in _TASKS:
        other = "'vllm' or 'openvino_genai'" if spec.task is Task.GENERATE else "'openvino', after argosy convert"
        raise InvalidModelEntry(
            f"Model {spec.name!r}: the engine 'torch' serves the tasks {', '.join(_TASKS)}; '{spec.task}' needs the "
            f"engine {other}."
        )
    return Encoder(spec, options)
