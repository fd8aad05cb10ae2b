"""The tensor echo: its contract, and what its request parameters do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from argosy.core.errors import EngineError
from argosy.core.models import ModelSpec, Task, TextSpec
from argosy.core.tensors import text_tensor
from argosy.engines.contract import EngineOptions, TensorRequest
from argosy.engines.echo.engine import create
from tests.suites.engine_contract import Broken, Deployment, TensorEngineContract, succeeded


class TestEchoTensorContract(TensorEngineContract):
    def deployment(self, directory: Path) -> Deployment:
        spec = ModelSpec("echo", Task.TENSOR, "echo", text=TextSpec(max_tokens=16))
        return Deployment(spec, EngineOptions(directory, max_batch_size=8))

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        options = replace(sound.options, parameters={"delay_ms": "soon"})
        return [Broken(replace(sound, options=options), "delay_ms")]

    def requests(self) -> Sequence[TensorRequest]:
        return [
            TensorRequest({"text": text_tensor(["one"])}),
            TensorRequest({"text": text_tensor(["", "zwölf 🚢"])}, {"delay_ms": 0}),
            TensorRequest({"text": text_tensor(["a b c"] * 5)}),
        ]

    def bad_requests(self) -> Sequence[TensorRequest]:
        text = text_tensor(["x"])
        return [
            TensorRequest({"words": text}),
            TensorRequest({"text": np.zeros((1, 1), dtype=np.float32)}),
            TensorRequest({"text": text}, {"delay_ms": "soon"}),
            TensorRequest({"text": text}, {"delay_ms": -1}),
        ]

    def too_long(self) -> TensorRequest:
        return TensorRequest({"text": text_tensor(["word " * 17])})


def test_fail_fails_one_request_with_its_message() -> None:
    """`fail` answers its own request with that message and leaves the neighbour alone."""
    engine = create(ModelSpec("echo", Task.TENSOR, "echo"), EngineOptions(Path()))
    engine.start()
    text = text_tensor(["x"])
    failed, answered = engine.infer(
        [TensorRequest({"text": text}, {"fail": "as asked"}), TensorRequest({"text": text})]
    )
    assert isinstance(failed, EngineError)
    assert failed.message == "as asked"
    assert succeeded(answered)["text"].tolist() == [[b"x"]]


def test_delay_keeps_the_execution_busy() -> None:
    """`delay_ms` is a lower bound of the execution's time."""
    engine = create(ModelSpec("echo", Task.TENSOR, "echo"), EngineOptions(Path()))
    engine.start()
    began = time.monotonic()
    engine.infer([TensorRequest({"text": text_tensor(["x"])}, {"delay_ms": 30})])
    assert time.monotonic() - began >= 0.03
