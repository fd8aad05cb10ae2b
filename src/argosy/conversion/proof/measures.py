"""Figures that compare what was built with its reference.

All are computed in double precision. A candidate that is not finite everywhere has no figures: `NotFinite` is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Figures = dict[str, float]

_NEAR = 0.01
"""Two reference scores closer than this share of their range count as equal: their order says nothing."""


class NotFinite(ArithmeticError):
    """The candidate holds infinities or values that are not numbers."""


def embedding_figures(candidate: Array, reference: Array) -> Figures:
    """Cosine between the vectors of each row, both [rows, d]."""
    found, wanted = _finite(candidate), _finite(reference)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = (found * wanted).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return {"cosine_mean": float(cosines.mean()), "cosine_min": float(cosines.min())}


def classification_figures(candidate: Array, reference: Array) -> Figures:
    """Agreement of two arrays of logits or log-probabilities [rows, classes].

    `top1_agreement` is the share of rows with the same best class. `max_logit_error` is the largest difference between
    log-probabilities, which is that of the logits without the constant that softmax ignores;
    `relative_logit_error` is the same as a share of the reference's range.
    """
    found, wanted = _log_softmax(_finite(candidate)), _log_softmax(_finite(reference))
    error = float(np.abs(found - wanted).max())
    return {
        "top1_agreement": float((found.argmax(axis=1) == wanted.argmax(axis=1)).mean()),
        "max_logit_error": error,
        "relative_logit_error": error / _range(wanted),
    }


def ranking_figures(candidate: Array, reference: Array) -> Figures:
    """Agreement of two arrays of scores [rows]: the share of pairs in the same order, and the largest difference."""
    found, wanted = _finite(candidate).reshape(-1), _finite(reference).reshape(-1)
    apart = wanted[:, None] - wanted[None, :]
    telling = np.triu(np.abs(apart) > _NEAR * _range(wanted), k=1)
    same = np.sign(found[:, None] - found[None, :]) == np.sign(apart)
    error = float(np.abs(found - wanted).max())
    return {
        "order_agreement": float(same[telling].mean()) if telling.any() else 1.0,
        "max_logit_error": error,
        "relative_logit_error": error / _range(wanted),
    }


def tensor_figures(candidates: Sequence[Mapping[str, Array]], references: Sequence[Mapping[str, Array]]) -> Figures:
    """The largest relative error of any output of any sample: the norm of the difference by the reference's norm."""
    worst = 0.0
    for candidate, reference in zip(candidates, references, strict=True):
        for name, value in reference.items():
            found, wanted = _finite(candidate[name]), _finite(value)
            if found.shape != wanted.shape:
                raise ValueError(f"the output {name!r} has the shape {found.shape} where {wanted.shape} was expected")
            size = float(np.linalg.norm(wanted))
            worst = max(worst, float(np.linalg.norm(found - wanted)) / max(size, float(np.finfo(np.float64).tiny)))
    return {"relative_error": worst}


def detection_figures(
    logits: Array, boxes: Array, reference_logits: Array, reference_boxes: Array, objects: NDArray[np.bool_]
) -> Figures:
    """Agreement of two detectors whose queries each answer with a class and a box; query by query.

    Args:
        logits: [queries, classes] of all samples.
        boxes: [queries, 4]: centre x, centre y, width and height, as shares of the image.
        reference_logits: as `logits`, of the reference.
        reference_boxes: as `boxes`, of the reference.
        objects: [queries]: where the reference sees an object; the boxes of the others mean nothing.

    Returns:
        `class_agreement`: share of queries with the same best class, that of "nothing here" included. `iou_mean` and
        `iou_min`: intersection over union of the two boxes of each object (Everingham et al., The PASCAL Visual Object
        Classes Challenge, 2010, section 4.2).
    """
    same = _finite(logits).argmax(axis=1) == _finite(reference_logits).argmax(axis=1)
    overlaps = _overlap(_corners(_finite(boxes)[objects]), _corners(_finite(reference_boxes)[objects]))
    return {
        "class_agreement": float(same.mean()),
        "iou_mean": float(overlaps.mean()) if len(overlaps) else 1.0,
        "iou_min": float(overlaps.min()) if len(overlaps) else 1.0,
    }


def language_figures(
    best: Sequence[NDArray[Any]],
    log_likelihood: Sequence[Array],
    reference_best: Sequence[NDArray[Any]],
    reference_log_likelihood: Sequence[Array],
) -> Figures:
    """Agreement of two language models that read the same texts.

    Args:
        best: likeliest next token at every place of each text.
        log_likelihood: natural logarithm of the probability of the token that does follow, at every place.
        reference_best: as `best`, of the reference.
        reference_log_likelihood: as `log_likelihood`, of the reference.

    Returns:
        `token_agreement`: share of places with the same likeliest token; `perplexity`, `reference_perplexity` and
        `perplexity_ratio`, the first by the second.
    """
    found, wanted = _finite(np.concatenate(log_likelihood)), _finite(np.concatenate(reference_log_likelihood))
    same = np.concatenate([one == other for one, other in zip(best, reference_best, strict=True)])
    perplexity, reference = float(np.exp(-found.mean())), float(np.exp(-wanted.mean()))
    return {
        "token_agreement": float(same.mean()),
        "perplexity": perplexity,
        "reference_perplexity": reference,
        "perplexity_ratio": perplexity / reference,
    }


def greedy_figures(answers: Sequence[str], references: Sequence[str]) -> Figures:
    """`greedy_agreement`: share of the reference's greedy answers, in characters, that the candidate's begin with."""
    shares = [
        _common(answer, wanted) / len(wanted) for answer, wanted in zip(answers, references, strict=True) if wanted
    ]
    return {"greedy_agreement": float(np.mean(shares)) if shares else 1.0}


def pooled(states: Array, pooling: str) -> NDArray[np.float64]:
    """One vector from the reference's token states [length, d]; all tokens are real ones."""
    values = np.asarray(states, dtype=np.float64)
    match pooling:
        case "cls":
            return np.asarray(values[0])
        case "last":
            return np.asarray(values[-1])
        case _:
            return np.asarray(values.mean(axis=0))


def _common(answer: str, wanted: str) -> int:
    return next((at for at, (one, other) in enumerate(zip(answer, wanted, strict=False)) if one != other),
                min(len(answer), len(wanted)))  # fmt: skip


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top, right and bottom of [n, 4] boxes given by centre and size."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union, box by box, of two arrays [n, 4] of corners."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.maximum(sides, 0.0).prod(axis=1)
    both = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1) - shared
    result: NDArray[np.float64] = shared / np.maximum(both, np.finfo(np.float64).tiny)
    return result


def _finite(values: Array) -> NDArray[np.float64]:
    wide = np.asarray(values, dtype=np.float64)
    if not np.isfinite(wide).all():
        raise NotFinite("the answers hold values that are not finite numbers")
    return wide


def _log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = values - values.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _range(values: NDArray[np.float64]) -> float:
    return max(float(values.max() - values.min()), float(np.finfo(np.float64).tiny))
