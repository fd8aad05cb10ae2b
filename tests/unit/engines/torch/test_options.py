"""What a deployment says of how a model runs; no torch is needed to read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task, TextSpec
from argosy.engines import registry
from argosy.engines.contract import EngineOptions
from argosy.engines.deployment import TRITON_OPTIONS
from argosy.engines.torch.options import TorchOptions

SPEC = ModelSpec("vectors", Task.EMBED, "torch", model="config.json", profile=ProfileSpec("bf16"), text=TextSpec())


def options(**parameters: str) -> TorchOptions:
    return TorchOptions.of(SPEC, EngineOptions(Path(), 3, parameters=parameters))


def test_the_profile_decides_unless_the_deployment_does() -> None:
    """Precision comes from the entry; the device is chosen by what is there."""
    assert options() == TorchOptions("auto", "bf16", 3, 2, 1.5, cuda_graphs=True)
    assert options(device="cuda:1", precision="f16", streams="1", warm_up="0", cuda_graphs="false") == TorchOptions(
        "cuda:1", "f16", 3, 1, 0.0, cuda_graphs=False
    )


@pytest.mark.parametrize(
    ("threads", "mode", "streams"),
    [(1, "", 1), (2, "", 2), (8, "", 4), (64, "", 8), (8, "latency", 1), (4, "throughput", 4), (64, "throughput", 8)],
)
def test_streams_follow_the_threads_and_the_performance_mode(threads: int, mode: str, streams: int) -> None:
    """One batch with every thread, or several side by side, of which Python can serve only so many."""
    given = EngineOptions(Path(), threads, parameters={"performance_mode": mode})
    assert TorchOptions.of(SPEC, given).streams == streams


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "tpu"),
        ("device", "cuda:x"),
        ("precision", "f8"),
        ("streams", "4"),
        ("performance_mode", "speed"),
        ("warm_up", "long"),
        ("warm_up", "-1"),
        ("warm_up", "nan"),
        ("cuda_graphs", "yes"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    """The message has the parameter and the value."""
    with pytest.raises(InvalidModelEntry, match=rf"(?i){name}.*{value}"):
        options(**{name: value})


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (ModelSpec("chat", Task.GENERATE, "torch", generate=GenerateSpec(8)), "vllm"),
        (ModelSpec("network", Task.TENSOR, "torch"), "argosy convert"),
    ],
)
def test_other_tasks_are_sent_to_their_engine(spec: ModelSpec, says: str) -> None:
    """The message names what serves them."""
    with pytest.raises(InvalidModelEntry, match=says):
        registry.create(spec, EngineOptions(Path()))


def test_triton_may_gather_its_requests() -> None:
    """Rows are independent, so batch size, queue delay and instances have their effect."""
    assert registry.deployment_options("torch") >= TRITON_OPTIONS
