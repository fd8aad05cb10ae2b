"""The text of config.pbtxt; Triton's own protobuf reads it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, Task, TextSpec
from argosy.server.artifacts.places import bundled_store
from argosy.server.artifacts.triton_config import Batching, Tensor, render
from argosy.store.entries import CONFIG_FILE, list_entries, read_spec


def spec(task: Task, **fields: Any) -> ModelSpec:
    return ModelSpec(name="m", task=task, engine="openvino", **fields)


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def shapes(tensors: Any) -> dict[str, tuple[int, list[int], bool]]:
    return {
        tensor.name: (tensor.data_type, list(tensor.dims), getattr(tensor, "optional", False)) for tensor in tensors
    }


STRING, INT32, FP32 = 13, 8, 11


def test_embed() -> None:
    """An embedder takes text or ids and gives a vector and a count."""
    config = parsed(render(spec(Task.EMBED, text=TextSpec(dimensions=384))))
    assert (config.name, config.backend) == ("m", "argosy_openvino")
    assert config.max_batch_size > 1
    assert config.HasField("dynamic_batching")
    assert not config.model_transaction_policy.decoupled
    assert shapes(config.input) == {"text": (STRING, [1], True), "token_ids": (INT32, [-1], True)}
    assert shapes(config.output) == {"embedding": (FP32, [384], False), "tokens": (INT32, [1], False)}
    assert [tensor.allow_ragged_batch for tensor in config.input] == [False, True]


def test_rank() -> None:
    """A ranker takes pairs and gives a logit and a count."""
    config = parsed(render(spec(Task.RANK, text=TextSpec())))
    assert shapes(config.input) == {"query": (STRING, [1], False), "passage": (STRING, [1], False)}
    assert shapes(config.output) == {"logit": (FP32, [1], False), "tokens": (INT32, [1], False)}


def test_classify() -> None:
    """A classifier gives one probability for each label."""
    config = parsed(render(spec(Task.CLASSIFY, text=TextSpec(), labels=("a", "b", "c"))))
    assert shapes(config.input) == {"text": (STRING, [1], False)}
    assert shapes(config.output) == {"probabilities": (FP32, [3], False), "tokens": (INT32, [1], False)}


def test_generate() -> None:
    """A language model is decoupled, has no batch dimension, and has the tensors of Triton's vLLM backend."""
    config = parsed(render(spec(Task.GENERATE, generate=GenerateSpec(context_length=8))))
    assert config.max_batch_size == 0
    assert config.model_transaction_policy.decoupled
    assert not config.HasField("dynamic_batching")
    assert shapes(config.input) == {
        "text_input": (STRING, [1], True),
        "input_ids": (INT32, [-1], True),
        "sampling_parameters": (STRING, [1], True),
    }
    assert shapes(config.output) == {
        "text_output": (STRING, [1], False),
        "finish_reason": (STRING, [1], False),
        "num_input_tokens": (INT32, [1], False),
        "num_output_tokens": (INT32, [1], False),
        "logprobs": (STRING, [1], False),
    }


def test_tensor() -> None:
    """A bare network has its own tensors; a single number travels as one element."""
    text = render(
        spec(Task.TENSOR),
        [Tensor("x", "FP32", (3, -1)), Tensor("scale", "INT64", ())],
        [Tensor("y", "UINT8", (2,))],
        Batching(8, max_queue_delay=100),
    )
    config = parsed(text)
    assert config.max_batch_size == 8
    assert config.dynamic_batching.max_queue_delay_microseconds == 100
    assert shapes(config.input) == {"x": (FP32, [3, -1], False), "scale": (9, [1], False)}
    assert config.input[1].HasField("reshape")
    assert list(config.input[1].reshape.shape) == []
    assert not config.input[0].HasField("reshape")


def test_a_tensor_name_cannot_add_fields() -> None:
    """Quotes in a network's tensor name stay inside the name."""
    name = 'x" dims: [ 9 ] } parameters { key: "EXECUTION_ENV_PATH'
    config = parsed(render(spec(Task.TENSOR), [Tensor(name, "FP32", (1,))], [Tensor("y", "FP32", (1,))]))
    assert config.input[0].name == name
    assert not config.parameters


@pytest.mark.parametrize("name", ["naïve", "a\nb"])
def test_a_tensor_name_beyond_ascii_is_refused(name: str) -> None:
    """Names that the text form would need escapes for are refused."""
    with pytest.raises(InvalidModelEntry, match="rename"):
        render(spec(Task.TENSOR), [Tensor(name, "FP32", (1,))], [Tensor("y", "FP32", (1,))])


def test_a_network_without_outputs_is_refused() -> None:
    """A tensor entry needs both sides."""
    with pytest.raises(InvalidModelEntry, match="no outputs"):
        render(spec(Task.TENSOR), [Tensor("x", "FP32", (1,))])


@pytest.mark.parametrize("directory", list_entries(bundled_store()), ids=lambda path: path.name)
def test_bundled_configs_are_what_this_module_writes(directory: Path) -> None:
    """Each bundled config.pbtxt equals the one made from its argosy.yaml."""
    assert (directory / CONFIG_FILE).read_text() == render(read_spec(directory))
