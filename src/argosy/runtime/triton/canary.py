"""One small request per model that proves its process still answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from argosy.core.models import Task
from argosy.core.tensors import DATATYPES, Tensor
from argosy.runtime.model_config import ModelConfig, ModelTensor

_TEXT = b"canary"
_SAMPLING = json.dumps({"max_tokens": 1, "temperature": 0.0}).encode()
_BY_TASK: Mapping[Task, Mapping[str, bytes]] = {
    Task.EMBED: {"text": _TEXT},
    Task.CLASSIFY: {"text": _TEXT},
    Task.RANK: {"query": _TEXT, "passage": _TEXT},
    Task.GENERATE: {"text_input": _TEXT, "sampling_parameters": _SAMPLING},
}


def canary_inputs(task: Task, config: ModelConfig) -> dict[str, Tensor]:
    """The smallest valid request for a model of `task`: short text, or zeros with every free dimension 1."""
    words = _BY_TASK.get(task, {})
    return {
        tensor.name: _fill(tensor, words.get(tensor.name))
        for tensor in config.inputs
        if tensor.name in words or not tensor.optional
    }


def _fill(tensor: ModelTensor, word: bytes | None) -> Tensor:
    size = tuple(1 if dimension < 0 else dimension for dimension in tensor.shape)
    if tensor.datatype == "BYTES":
        return np.full(size, word or b"", dtype=np.object_)
    return np.zeros(size, dtype=DATATYPES.get(tensor.datatype, np.dtype(np.uint16)))
