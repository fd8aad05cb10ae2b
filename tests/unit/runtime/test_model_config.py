from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import InvalidModelEntry, InvalidRequest
from argosy.core.tensors import Tensor, text_tensor
from argosy.runtime.contract import InferRequest
from argosy.runtime.model_config import ModelConfig, ModelTensor, read_config

TEXT = """
name: "m"
backend: "argosy_echo"
max_batch_size: 4
input [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
input [ { name: "k" data_type: TYPE_BF16 dims: [ -1, 2 ] optional: true } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] } ]
dynamic_batching { default_queue_policy { max_queue_size: 9 } }
parameters { key: "threads" value { string_value: "2" } }
"""


@pytest.fixture
def config(tmp_path: Path) -> ModelConfig:
    (tmp_path / "config.pbtxt").write_text(TEXT)
    return read_config(tmp_path / "config.pbtxt")


def test_config_is_read(config: ModelConfig) -> None:
    """What the runtime needs of a config is in the value."""
    assert config == ModelConfig(
        inputs=(ModelTensor("text", "BYTES", (-1, 1)), ModelTensor("k", "BF16", (-1, -1, 2), optional=True)),
        outputs=(ModelTensor("y", "FP32", (-1, 3)),),
        max_batch_size=4,
        max_queue_size=9,
        parameters={"threads": "2"},
        backend="argosy_echo",
    )


def test_broken_config_is_named(tmp_path: Path) -> None:
    """A file that is not Triton's text format is an invalid entry that names the file."""
    (tmp_path / "config.pbtxt").write_text("max_batch_size: many")
    with pytest.raises(InvalidModelEntry, match=r"config\.pbtxt"):
        read_config(tmp_path / "config.pbtxt")


@pytest.mark.parametrize(
    ("inputs", "param"),
    [
        ({}, "text"),
        ({"text": np.zeros((1, 1), np.int32)}, "text"),
        ({"text": text_tensor(["a"]).reshape(1)}, "text"),
        ({"text": text_tensor(["a"] * 5)}, "text"),
        ({"text": text_tensor([])}, "text"),
        ({"text": text_tensor(["a"]), "k": np.zeros((1, 7, 3), np.uint16)}, "k"),
        ({"text": text_tensor(["a"]), "k": np.zeros((2, 7, 2), np.uint16)}, None),
        ({"text": text_tensor(["a"]), "z": np.zeros(1, np.int8)}, "z"),
    ],
)
def test_bad_tensors_are_refused(config: ModelConfig, inputs: dict[str, Tensor], param: str | None) -> None:
    """What Triton would refuse is refused, naming the tensor."""
    with pytest.raises(InvalidRequest) as caught:
        config.check(InferRequest("m", inputs))
    assert caught.value.param == param


def test_good_tensors_pass(config: ModelConfig) -> None:
    """What Triton would take passes, BF16 as raw 16-bit words."""
    config.check(InferRequest("m", {"text": text_tensor(["a", "b"]), "k": np.zeros((2, 7, 2), np.uint16)}))
    config.check(InferRequest("m", {"text": text_tensor(["a"])}, outputs=("y",)))


def test_unknown_output_is_refused(config: ModelConfig) -> None:
    """Asking for an output that the model does not have is refused."""
    with pytest.raises(InvalidRequest, match="'z'"):
        config.check(InferRequest("m", {"text": text_tensor(["a"])}, outputs=("z",)))
