"""Task tensor: any network as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, Task
from argosy.engines.contract import EngineOptions, TensorRequest
from argosy.engines.openvino.engine import create
from tests.suites.engine_contract import Broken, Deployment, TensorEngineContract, succeeded
from tests.unit.engines.openvino import networks

SPEC = ModelSpec("sum", Task.TENSOR, "openvino")


def request(*rows: float) -> TensorRequest:
    left = np.array([[row, row + 1] for row in rows], dtype=np.float32)
    return TensorRequest({"left": left, "right": np.full(left.shape, 10, dtype=np.int32)})


class TestPlainNetworkContract(TensorEngineContract):
    library = "openvino"

    def deployment(self, directory: Path) -> Deployment:
        networks.write_sum(directory / "model.xml")
        return Deployment(SPEC, EngineOptions(directory, threads=2, max_batch_size=8))

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        (sound.options.directory / "broken.onnx").write_bytes(b"no network")
        return [
            Broken(replace(sound, spec=replace(SPEC, model=name)), name) for name in ("broken.onnx", "missing.onnx")
        ]

    def requests(self) -> Sequence[TensorRequest]:
        return [request(1), request(2, 3, 4), request(5)]

    def bad_requests(self) -> Sequence[TensorRequest]:
        good = dict(request(1).inputs)
        return [
            TensorRequest({"left": good["left"]}),
            TensorRequest({**good, "more": good["left"]}),
            TensorRequest({**good, "right": good["left"]}),
            TensorRequest({**good, "left": np.zeros((1, 3), dtype=np.float32)}),
            TensorRequest({**good, "left": np.zeros(2, dtype=np.float32)}),
            TensorRequest({**good, "left": np.zeros((2, 2), dtype=np.float32)}),
        ]


def test_answers_with_the_networks_outputs(tmp_path: Path) -> None:
    """Outputs carry the network's names and hold its numbers, each request its own rows."""
    networks.write_sum(tmp_path / "model.xml")
    engine = create(SPEC, EngineOptions(tmp_path, threads=1, max_batch_size=8))
    engine.start()
    first, second = (succeeded(result) for result in engine.infer([request(1, 2), request(3)]))
    engine.stop()
    assert first["total"].tolist() == [[11, 12], [12, 13]]
    assert second["total"].tolist() == [[13, 14]]
    assert second["double"].tolist() == [[6, 8]]


@pytest.mark.parametrize(("rows", "max_batch_size"), [(2, 8), (-1, 0)])
def test_requests_run_apart_where_they_cannot_be_joined(tmp_path: Path, rows: int, max_batch_size: int) -> None:
    """A fixed first dimension, or a model without batching, runs each request by itself."""
    networks.write_sum(tmp_path / "model.xml", rows=rows)
    engine = create(SPEC, EngineOptions(tmp_path, threads=1, max_batch_size=max_batch_size))
    engine.start()
    results = [succeeded(result)["total"].tolist() for result in engine.infer([request(1, 2), request(3, 4)])]
    engine.stop()
    assert results == [[[11, 12], [12, 13]], [[13, 14], [14, 15]]]


def test_language_models_are_sent_to_their_engine() -> None:
    """Task generate names the engine that serves it."""
    spec = ModelSpec("chat", Task.GENERATE, "openvino", generate=GenerateSpec(context_length=8))
    with pytest.raises(InvalidModelEntry, match="openvino_genai"):
        create(spec, EngineOptions(Path()))
