from __future__ import annotations

import json

import numpy as np
import pytest

from argosy.core.models import Task
from argosy.runtime.contract import InferRequest
from argosy.runtime.model_config import ModelConfig, ModelTensor
from argosy.runtime.requests import decode_generation
from argosy.runtime.triton.canary import canary_inputs

TEXT = ModelTensor("text", "BYTES", (-1, 1), optional=True)
IDS = ModelTensor("token_ids", "INT32", (-1, -1), optional=True)
CHAT = (
    ModelTensor("text_input", "BYTES", (1,), optional=True),
    ModelTensor("input_ids", "INT32", (-1,), optional=True),
    ModelTensor("sampling_parameters", "BYTES", (1,), optional=True),
)


@pytest.mark.parametrize(
    ("task", "inputs", "sent"),
    [
        (Task.EMBED, (TEXT, IDS), {"text"}),
        (Task.CLASSIFY, (TEXT,), {"text"}),
        (Task.RANK, (ModelTensor("query", "BYTES", (-1, 1)), ModelTensor("passage", "BYTES", (-1, 1))), None),
        (Task.GENERATE, CHAT, {"text_input", "sampling_parameters"}),
        (Task.TENSOR, (ModelTensor("image", "FP32", (-1, 3, 8, -1)),), None),
        (Task.TENSOR, (ModelTensor("raw", "BF16", (2,)), ModelTensor("mask", "BOOL", (1,), optional=True)), {"raw"}),
    ],
    ids=["embed", "classify", "rank", "generate", "tensor", "bf16"],
)
def test_canary_is_a_valid_request(task: Task, inputs: tuple[ModelTensor, ...], sent: set[str] | None) -> None:
    """The canary of each task fits the model's config and fills what the task needs, nothing more."""
    config = ModelConfig(inputs, (), max_batch_size=8 if inputs[0].shape[0] == -1 else 0)
    canary = canary_inputs(task, config)
    config.check(InferRequest("m", canary))
    assert set(canary) == (sent or {tensor.name for tensor in inputs})


def test_generation_canary_asks_for_one_greedy_token() -> None:
    """A language model's canary costs one token."""
    canary = canary_inputs(Task.GENERATE, ModelConfig(CHAT, ()))
    assert json.loads(canary["sampling_parameters"].item()) == {"max_tokens": 1, "temperature": 0.0}
    assert decode_generation(canary).sampling.max_tokens == 1


def test_tensor_canary_is_zeros_of_size_one() -> None:
    """Free dimensions are 1 and the values zero."""
    canary = canary_inputs(Task.TENSOR, ModelConfig((ModelTensor("x", "FP32", (-1, 3, -1)),), ()))
    assert canary["x"].shape == (1, 3, 1)
    assert not np.any(canary["x"])
