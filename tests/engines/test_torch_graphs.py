"""What the engine does around CUDA graphs: which shapes it captures, whose answer a replay is, and the way back.

There is no GPU here. A stand-in plays CUDA's part: capturing notes what was computed from what, replaying computes it
again into the same memory. The graphs themselves are shown to be right by nothing in this repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from argosy.engines.encoders.tokens import TokenRow
from argosy.engines.torch.batching import Batch, Bucket, BucketTable, fill
from argosy.engines.torch.graphs import Graphs
from argosy.engines.torch.loading import load_model
from argosy.engines.torch.network import Network
from tests.engines.tiny_encoders import embedder, spec

SHAPES = BucketTable.for_gpu(8).shapes(64)


class Recorder:
    """Stands for `torch.cuda.CUDAGraph`: remembers one computation."""

    def __init__(self) -> None:
        self.network: Network | None = None
        self.calls: list[tuple[Any, torch.Tensor]] = []

    def replay(self) -> None:
        (inputs, output), *more = self.calls
        assert not more
        assert self.network is not None
        output.copy_(self.network.answer(inputs))


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network whose captures are recorded."""
    embedder(tmp_path)
    model = spec()
    network = Network(load_model(tmp_path / "config.json", model, torch.float32), model, torch.device("cpu"))

    @contextmanager
    def record(graph: Recorder, pool: object) -> Iterator[None]:
        assert pool == "pool"
        answer = network.answer
        graph.network = network

        def noted(inputs: Any) -> torch.Tensor:
            graph.calls.append((inputs, answer(inputs)))
            return graph.calls[-1][1]

        with monkeypatch.context() as patch:
            patch.setattr(network, "answer", noted)
            yield

    stream = type("Stream", (), {"wait_stream": lambda *_: None})
    for name, stand_in in {
        "CUDAGraph": Recorder,
        "graph": record,
        "graph_pool_handle": lambda: "pool",
        "Stream": stream,
        "current_stream": stream,
        "stream": lambda _: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return network


@pytest.fixture
def graphs(network: Network) -> Graphs:
    graphs = Graphs(network)
    with torch.inference_mode():
        graphs.capture(SHAPES)
    return graphs


def batch(rows: int, length: int, *ids: int) -> Batch:
    return fill(Bucket(rows, length), [TokenRow(np.array([2, word, 3])) for word in ids], 0)


@torch.inference_mode()
def test_a_replay_answers_for_its_own_batch(network: Network, graphs: Graphs) -> None:
    """Not for the one captured, nor for the one before; and what was answered is not written over."""
    batches = [batch(2, 4, 5, 10), batch(2, 4, 9), batch(1, 4, 6)]
    answers = [graphs.answer(one) for one in batches]
    for answer, one in zip(answers, batches, strict=True):
        assert answer is not None
        torch.testing.assert_close(answer, network.answer(network.place(one)), rtol=0, atol=1e-6)


@torch.inference_mode()
def test_other_shapes_are_left_to_the_network(graphs: Graphs) -> None:
    """They have no graph."""
    assert graphs.answer(batch(16, 8, 5)) is None
    assert graphs.answer(batch(3, 4, 5)) is None
    assert all(graphs.answer(fill(shape, [], 0)) is not None for shape in SHAPES)


def test_a_network_that_cannot_be_captured_runs_without(
    network: Network, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No shape is half there, and the log says why."""

    @contextmanager
    def refuse(graph: Recorder, pool: object) -> Iterator[None]:
        yield
        raise RuntimeError("operation not permitted when stream is capturing")

    graphs = Graphs(network)
    with torch.inference_mode():
        graphs.capture(SHAPES[-1:])
        monkeypatch.setattr(torch.cuda, "graph", refuse)
        graphs.capture(SHAPES)
        assert all(graphs.answer(fill(shape, [], 0)) is None for shape in SHAPES)
    assert "stream is capturing" in caplog.text
