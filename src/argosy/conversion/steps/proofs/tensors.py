"""Models without a text dialect: tensors go in as they would over KServe v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from argosy.conversion.proof.measures import Figures, classification_figures, tensor_figures
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.reference import Row, rows_of
from argosy.conversion.steps.proofs.speed import rate
from argosy.core.errors import ArgosyError
from argosy.core.models import ModelSpec
from argosy.engines.contract import EngineOptions, TensorEngine, TensorRequest
from argosy.engines.registry import create


def measure(kind: Kind, spec: ModelSpec, options: EngineOptions, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for every judged sample, all of them at once, and compare each with its reference."""
    reference, inputs = rows_of(Path(request["reference"])), rows_of(Path(request["inputs"]))
    asks = [TensorRequest(inputs[index]) for index in reference]
    engine = create(spec, options)
    assert isinstance(engine, TensorEngine)  # noqa: S101 - the engine of these tasks
    engine.start()
    try:
        figures = _figures(kind, _ask(engine, asks), list(reference.values()))
        speed = rate(lambda: _ask(engine, asks), len(asks))
    finally:
        engine.stop()
    return {"figures": figures, "speed": speed, "unit": "samples/s"}


def _figures(kind: Kind, answers: Sequence[Mapping[str, Any]], reference: Sequence[Row]) -> Figures:
    figures = tensor_figures(answers, reference)
    if kind in {Kind.TOKEN_CLASSIFIER, Kind.IMAGE_CLASSIFIER, Kind.SEGMENTER}:
        found = [_by_class(kind, answer["logits"]) for answer in answers]
        wanted = [_by_class(kind, row["logits"]) for row in reference]
        figures |= classification_figures(np.concatenate(found), np.concatenate(wanted))
    return figures


def _by_class(kind: Kind, logits: Any) -> Any:
    """One row of classes for each image, token or pixel."""
    if kind is Kind.SEGMENTER:
        logits = np.moveaxis(logits, -3, -1)
    return logits.reshape(-1, logits.shape[-1])


def _ask(engine: TensorEngine, asks: Sequence[TensorRequest]) -> list[Mapping[str, Any]]:
    answers = []
    for answer in engine.infer(asks):
        if isinstance(answer, ArgosyError):
            raise answer
        answers.append(answer)
    return answers
