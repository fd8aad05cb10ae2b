"""Choose between reading text and running a network as it is."""

from __future__ import annotations

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.engines.contract import EngineOptions, TensorEngine
from argosy.engines.openvino.encoder import Encoder
from argosy.engines.openvino.plain import PlainNetwork


def create(spec: ModelSpec, options: EngineOptions) -> TensorEngine:
    """Build the engine for the entry's task; it is not started.

    Raises:
        InvalidModelEntry: the task is to generate text.
    """
    if spec.task is Task.GENERATE:
        raise InvalidModelEntry(f"Model {spec.name!r}: language models need the engine 'openvino_genai'.")
    if spec.task is Task.TENSOR:
        return PlainNetwork(spec, options)
    return Encoder(spec, options)
