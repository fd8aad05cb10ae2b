"""Texts to class probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor, text_tensor
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.bounds import bound_texts
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.dispatch import output
from argosy.server.dataplane.encode import Encoding, text_parameters, total_tokens
from argosy.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Classification:
    """Classes of a list of texts.

    Attributes:
        probabilities: FP32 [texts, classes], in the order of the model's labels.
        tokens: tokens the network read.
    """

    probabilities: NDArray[np.float32]
    tokens: int


class Classifier:
    """Computes class probabilities."""

    def __init__(self, encoding: Encoding, metrics: Metrics) -> None:
        self._encoding = encoding
        self._metrics = metrics

    async def classify(
        self, model: ServedModel, texts: Sequence[str], call: Call, *, truncate: str | None = None
    ) -> Classification:
        """Probabilities of every class for each text, in order.

        Args:
            model: a `classify` model.
            texts: at least one.
            call: deadline and identity of the request.
            truncate: what to do with too long an input: `NONE` (refuse), `START` or `END`.

        Raises:
            InvalidRequest: the engine refuses an input.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        bounded = bound_texts(texts, model, "text", truncate)

        def rows(start: int, stop: int) -> Mapping[str, Tensor]:
            return {"text": text_tensor(bounded[start:stop])}

        answers = await self._encoding.run(model, len(texts), rows, text_parameters(truncate), call)
        probabilities = np.concatenate([output(answer, "probabilities") for answer in answers])
        tokens = total_tokens(answers)
        self._metrics.model(model.root).prompt_tokens.inc(tokens)
        return Classification(probabilities, tokens)
