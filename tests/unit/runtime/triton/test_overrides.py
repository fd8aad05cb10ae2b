"""What an operator says wins over a model's own `config.pbtxt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from argosy.runtime.triton.overrides import ConfigOverrides, override
from argosy.runtime.triton.repository import render_model
from tests.suites.echo_models import echo_tensors

TEXT = """
name: "m"
max_batch_size: 8
dynamic_batching { preferred_batch_size: [ 4, 8 ] default_queue_policy { max_queue_size: 9 } }
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters { key: "threads" value { string_value: "2" } }
"""


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def overridden(**values: Any) -> Any:
    return parsed(override(TEXT, ConfigOverrides(**values)))


def test_nothing_said_leaves_the_text() -> None:
    """To the byte."""
    assert override(TEXT, ConfigOverrides()) == TEXT


def test_a_parameter_wins_over_the_models_own() -> None:
    """Others stay."""
    config = overridden(parameters={"threads": "1", "max_model_len": "64"})
    found = {name: value.string_value for name, value in config.parameters.items()}
    assert found == {"threads": "1", "max_model_len": "64"}


@pytest.mark.parametrize(("size", "preferred"), [(2, []), (4, [4]), (64, [4, 8])])
def test_the_batch_size_may_be_lower_or_higher(size: int, preferred: list[int]) -> None:
    """No size to gather for exceeds it, which Triton would refuse."""
    config = overridden(max_batch_size=size)
    assert config.max_batch_size == size
    assert list(config.dynamic_batching.preferred_batch_size) == preferred
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 9


def test_a_model_without_a_batch_dimension_gets_none() -> None:
    """Its tensors have no place for one."""
    text = 'max_batch_size: 0\ninput [ { name: "x" data_type: TYPE_FP32 dims: [ 2 ] } ]\n'
    config = parsed(override(text, ConfigOverrides(max_batch_size=8, max_queue_delay=100)))
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")


def test_the_queue_delay_and_the_instances_are_set() -> None:
    """Microseconds, and processes."""
    config = overridden(max_queue_delay=1500, instances=3)
    assert config.dynamic_batching.max_queue_delay_microseconds == 1500
    assert [group.count for group in config.instance_group] == [3]


def test_what_is_no_config_is_left_to_triton() -> None:
    """One broken model must not keep the others from being served."""
    assert override("max_batch_size: many", ConfigOverrides(instances=2)) == "max_batch_size: many"


def test_the_rendered_config_has_them_over_the_hosts(tmp_path: Path) -> None:
    """The order is: host's parameter, model's own, operator's."""
    entry = echo_tensors(tmp_path / "store", "echo", parameters={"threads": "7"})
    said = ConfigOverrides({"threads": "3"}, max_batch_size=2)
    tmp_path.joinpath("repository").mkdir()
    model = render_model(tmp_path / "repository", entry, {"threads": "1", "a": "b"}, lambda _: said)
    config = parsed((model / "config.pbtxt").read_text())
    found = {name: value.string_value for name, value in config.parameters.items()}
    assert found == {"threads": "3", "a": "b"}
    assert config.max_batch_size == 2
