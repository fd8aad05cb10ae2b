"""Language models: the network's scores for fixed texts, and what the serving engine writes by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from argosy.conversion.proof.measures import greedy_figures, language_figures
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.reference import Row, rows_of
from argosy.core.errors import ConversionFailed
from argosy.core.models import ModelSpec
from argosy.engines.contract import Chunk, EngineOptions, GenerationEngine, GenerationRequest, Sampling
from argosy.engines.registry import create

_PATIENCE = 600.0


def measure(kind: Kind, spec: ModelSpec, options: EngineOptions, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Compare scores token by token, and greedy answers character by character."""
    reference = list(rows_of(Path(request["reference"])).values())
    figures = _scores(spec, options, reference)
    engine = create(spec, options)
    assert isinstance(engine, GenerationEngine)  # noqa: S101 - the engine of this task
    engine.start()
    try:
        answers, _ = _write(engine, request["prompts"])
        figures |= greedy_figures(answers, request["answers"])
        speed = max(_write(engine, request["prompts"])[1] for _ in range(2))
    finally:
        engine.stop()
    return {"figures": figures, "speed": speed, "unit": "tokens/s"}


def _scores(spec: ModelSpec, options: EngineOptions, reference: Sequence[Row]) -> dict[str, float]:
    """What the network makes of the reference's texts, in the arithmetic that it will be served in."""
    hints = {"INFERENCE_PRECISION_HINT": spec.profile.precision, "INFERENCE_NUM_THREADS": options.threads}
    core = openvino.Core()
    if spec.profile.precision.upper() not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        hints["INFERENCE_PRECISION_HINT"] = "f32"
    asking = core.compile_model(options.directory / spec.model, "CPU", hints).create_infer_request()
    best: list[Any] = []
    likelihood: list[Any] = []
    for row in reference:
        tokens = row["tokens"].astype(np.int64)
        asking.reset_state()
        logits = asking.infer(_inputs(tokens))["logits"][0, :-1].astype(np.float64)
        shifted = logits - logits.max(axis=1, keepdims=True)
        scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        best.append(scores.argmax(axis=1))
        likelihood.append(scores[np.arange(len(scores)), tokens[1:]])
    wanted_best, wanted_likelihood = ([row[name] for row in reference] for name in ("best", "log_likelihood"))
    return language_figures(best, likelihood, wanted_best, wanted_likelihood)


def _inputs(tokens: Any) -> dict[str, Any]:
    return {
        "input_ids": tokens[None],
        "attention_mask": np.ones((1, len(tokens)), dtype=np.int64),
        "position_ids": np.arange(len(tokens), dtype=np.int64)[None],
        "beam_idx": np.zeros(1, dtype=np.int32),
    }


def _write(engine: GenerationEngine, prompts: Sequence[Mapping[str, Any]]) -> tuple[list[str], float]:
    """The greedy answers to all prompts at once, and tokens a second."""
    writings = [_Writing() for _ in prompts]
    began = time.monotonic()
    for prompt, writing in zip(prompts, writings, strict=True):
        sampling = Sampling(max_tokens=prompt["new_tokens"], temperature=0.0)
        engine.submit(GenerationRequest(np.array(prompt["ids"], dtype=np.int32), sampling), writing.take)
    answers = [writing.result() for writing in writings]
    count = sum(writing.tokens for writing in writings)
    return answers, count / (time.monotonic() - began)


class _Writing:
    """One answer as it comes."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._pieces: list[str] = []
        self._error: Exception | None = None
        self.tokens = 0

    def take(self, chunk: Chunk) -> None:
        """Keep a piece."""
        self._pieces.append(chunk.text)
        self.tokens = max(self.tokens, chunk.num_output_tokens)
        if chunk.last:
            self._error = chunk.error
            self._ended.set()

    def result(self) -> str:
        """The whole answer.

        Raises:
            ConversionFailed: the engine did not finish it.
        """
        if not self._ended.wait(_PATIENCE):
            raise ConversionFailed(f"the engine has not finished an answer within {_PATIENCE:g} s")
        if self._error is not None:
            raise self._error
        return "".join(self._pieces)
