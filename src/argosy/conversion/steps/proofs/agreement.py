"""How far the tensors that a built network gives are those of the original; needs no engine to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from argosy.conversion.proof.measures import Figures, classification_figures, detection_figures, tensor_figures
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.reference import Row

OBJECTS = "objects"
"""Name in a detector's reference: 1 for each query with which the original sees an object, else 0."""


def agreement(kind: Kind, answers: Sequence[Mapping[str, Any]], reference: Sequence[Row]) -> Figures:
    """The figures that a model of this kind is judged by.

    Args:
        kind: what the model is.
        answers: outputs by name for each judged sample.
        reference: the same of the original.

    Raises:
        NotFinite: an answer has values that are not numbers.
    """
    outputs = [{name: value for name, value in row.items() if name != OBJECTS} for row in reference]
    figures = tensor_figures(answers, outputs)
    if kind in {Kind.TOKEN_CLASSIFIER, Kind.IMAGE_CLASSIFIER, Kind.SEGMENTER}:
        found = [_by_class(kind, answer["logits"]) for answer in answers]
        wanted = [_by_class(kind, row["logits"]) for row in reference]
        figures |= classification_figures(np.concatenate(found), np.concatenate(wanted))
    if kind is Kind.DETECTOR:
        figures |= detection_figures(
            _queries(answers, "logits"),
            _queries(answers, "pred_boxes"),
            _queries(reference, "logits"),
            _queries(reference, "pred_boxes"),
            np.concatenate([row[OBJECTS] for row in reference]) != 0,
        )
    return figures


def _queries(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    """One row for each query of each sample, from [1, queries, …]."""
    return np.concatenate([row[name].reshape(-1, row[name].shape[-1]) for row in rows])


def _by_class(kind: Kind, logits: Any) -> Any:
    """One row of classes for each image, token or pixel."""
    if kind is Kind.SEGMENTER:
        logits = np.moveaxis(logits, -3, -1)
    return logits.reshape(-1, logits.shape[-1])
