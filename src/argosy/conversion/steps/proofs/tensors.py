"""Models without a text dialect: tensors go in as they would over KServe v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.agreement import agreement
from argosy.conversion.steps.proofs.reference import rows_of
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
        figures = agreement(kind, _ask(engine, asks), list(reference.values()))
        speed = rate(lambda: _ask(engine, asks), len(asks))
    finally:
        engine.stop()
    return {"figures": figures, "speed": speed, "unit": "samples/s"}


def _ask(engine: TensorEngine, asks: Sequence[TensorRequest]) -> list[Mapping[str, Any]]:
    answers = []
    for answer in engine.infer(asks):
        if isinstance(answer, ArgosyError):
            raise answer
        answers.append(answer)
    return answers
