"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest
from argosy.core.tensors import Tensor, text_tensor
from argosy.runtime.contract import InferResponse
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.bounds import bound_texts
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.dispatch import output
from argosy.server.dataplane.encode import Encoding, text_parameters, total_tokens
from argosy.telemetry.metrics import Metrics

_PADDING = -1


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of a list of inputs.

    Attributes:
        vectors: FP32 [inputs, dimensions], C-contiguous.
        tokens: tokens the network read for all inputs together.
    """

    vectors: NDArray[np.float32]
    tokens: int


class Embedder:
    """Computes embeddings."""

    def __init__(self, encoding: Encoding, metrics: Metrics) -> None:
        self._encoding = encoding
        self._metrics = metrics

    async def embed(
        self,
        model: ServedModel,
        inputs: Sequence[str] | Sequence[Sequence[int]],
        call: Call,
        *,
        truncate: str | None = None,
        input_type: str | None = None,
        dimensions: int | None = None,
    ) -> Embeddings:
        """One vector an input, in order.

        Args:
            model: an `embed` model.
            inputs: at least one; all texts or all lists of token ids.
            call: deadline and identity of the request.
            truncate: what to do with too long an input: `NONE` (refuse), `START` or `END`.
            input_type: `query` or `passage`.
            dimensions: shorten the vectors to this length and normalise them again.

        Raises:
            InvalidRequest: `dimensions` is more than the model has, or the engine refuses an input.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        _check_dimensions(dimensions, model)
        bounded = _bounded(inputs, model, truncate)

        def rows(start: int, stop: int) -> Mapping[str, Tensor]:
            return _input_tensor(bounded[start:stop])

        answers = await self._encoding.run(model, len(inputs), rows, text_parameters(truncate, input_type), call)
        vectors, tokens = _join(answers)
        self._metrics.model(model.root).prompt_tokens.inc(tokens)
        return Embeddings(_shorten(vectors, dimensions), tokens)


def _check_dimensions(dimensions: int | None, model: ServedModel) -> None:
    longest = model.spec.text.dimensions if model.spec.text is not None else 0
    if dimensions is not None and longest and dimensions > longest:
        raise InvalidRequest(
            f"'dimensions' is {dimensions}; model '{model.name}' has {longest}. Ask for {longest} or fewer.",
            param="dimensions",
        )


def _bounded(
    inputs: Sequence[str] | Sequence[Sequence[int]], model: ServedModel, truncate: str | None
) -> Sequence[str] | Sequence[Sequence[int]]:
    # Lists of token ids are counted by the route.
    return bound_texts(inputs, model, "text", truncate) if isinstance(inputs[0], str) else inputs  # type: ignore[arg-type]


def _input_tensor(inputs: Sequence[str] | Sequence[Sequence[int]]) -> Mapping[str, Tensor]:
    if isinstance(inputs[0], str):
        return {"text": text_tensor(inputs)}  # type: ignore[arg-type]
    longest = max(len(ids) for ids in inputs)
    padded = np.full((len(inputs), longest), _PADDING, dtype=np.int32)
    for row, ids in enumerate(inputs):
        padded[row, : len(ids)] = ids
    return {"token_ids": padded}


def _join(answers: Sequence[InferResponse]) -> tuple[NDArray[np.float32], int]:
    if len(answers) == 1:
        vectors = output(answers[0], "embedding")
    else:
        vectors = np.concatenate([output(answer, "embedding") for answer in answers])
    return vectors, total_tokens(answers)


def _shorten(vectors: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    if dimensions is None or dimensions >= vectors.shape[1]:
        return np.ascontiguousarray(vectors, dtype=np.float32)
    short = np.ascontiguousarray(vectors[:, :dimensions], dtype=np.float32)
    lengths = np.linalg.norm(short, axis=1, keepdims=True)
    shortened: NDArray[np.float32] = short / np.maximum(lengths, np.finfo(np.float32).tiny)
    return shortened
