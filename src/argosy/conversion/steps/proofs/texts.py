"""Embedders, re-rankers and classifiers: texts go in as they would from a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from argosy.conversion.proof.measures import (
    Figures,
    classification_figures,
    embedding_figures,
    pooled,
    ranking_figures,
)
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.reference import Row, rows_of
from argosy.conversion.steps.proofs.speed import rate
from argosy.core.errors import ArgosyError
from argosy.core.models import ModelSpec
from argosy.core.tensors import Tensor, text_tensor
from argosy.engines.contract import EngineOptions, TensorEngine, TensorRequest
from argosy.engines.registry import create

_BATCH = 32
_TINY = np.finfo(np.float32).tiny


def measure(kind: Kind, spec: ModelSpec, options: EngineOptions, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for every judged text in batches, and compare."""
    reference = rows_of(Path(request["reference"]))
    asks = [_inputs(kind, request, chosen) for chosen in _batches(list(reference))]
    engine = create(spec, options)
    assert isinstance(engine, TensorEngine)  # noqa: S101 - the engine of these tasks
    engine.start()
    try:
        answers = np.concatenate([_ask(engine, ask) for ask in asks])
        figures = _figures(kind, spec, answers, list(reference.values()))
        speed = rate(lambda: [_ask(engine, ask) for ask in asks], len(reference))
    finally:
        engine.stop()
    return {"figures": figures, "speed": speed, "unit": "texts/s"}


def _figures(kind: Kind, spec: ModelSpec, answers: Tensor, reference: Sequence[Row]) -> Figures:
    match kind:
        case Kind.ENCODER:
            assert spec.text is not None  # noqa: S101 - every embedder has it
            return embedding_figures(
                answers, np.stack([pooled(row["last_hidden_state"], spec.text.pooling) for row in reference])
            )
        case Kind.CROSS_ENCODER:
            return ranking_figures(answers, np.stack([_log_odds(row["logits"]) for row in reference]))
        case _:
            # The engine gives probabilities; a probability of 0 is one too small for f32.
            logs = np.log(np.maximum(answers, _TINY))
            return classification_figures(logs, np.stack([row["logits"] for row in reference]))


def _log_odds(logits: Any) -> Any:
    """Two logits are those against and for the passage."""
    return logits[-1:] - logits[:1] if len(logits) == 2 else logits


def _batches(indices: list[int]) -> list[list[int]]:
    return [indices[at : at + _BATCH] for at in range(0, len(indices), _BATCH)]


def _inputs(kind: Kind, request: Mapping[str, Any], chosen: list[int]) -> TensorRequest:
    texts = text_tensor([request["texts"][index] for index in chosen])
    # Too long a text is cut as the reference's was.
    parameters = {"truncate": "END"}
    if kind is Kind.CROSS_ENCODER:
        passages = text_tensor([request["passages"][index] for index in chosen])
        return TensorRequest({"query": texts, "passage": passages}, parameters)
    return TensorRequest({"text": texts}, parameters)


def _ask(engine: TensorEngine, ask: TensorRequest) -> Tensor:
    (answer,) = engine.infer([ask])
    if isinstance(answer, ArgosyError):
        raise answer
    return next(value for name, value in answer.items() if name != "tokens")
