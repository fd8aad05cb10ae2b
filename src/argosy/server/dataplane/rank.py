"""A query against passages."""

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
class Ranking:
    """How passages answer a query.

    Attributes:
        order: indices of the passages, best first; equal scores keep the caller's order.
        logits: FP32 [passages], in the caller's order.
        tokens: tokens the network read.
    """

    order: NDArray[np.intp]
    logits: NDArray[np.float32]
    tokens: int


def relevance(model: ServedModel, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores from 0 to 1 in the order of the logits, FP32 of the same shape.

    A cross-encoder's logit is a log-odds, so its score is the sigmoid: a probability. A bi-encoder's is the cosine of
    two vectors, from -1 to 1, which is moved into the range and is no probability.
    """
    paired = model.spec.text is not None and model.spec.text.pair
    # Written with tanh, which does not overflow.
    scores = 0.5 * (1 + np.tanh(logits / 2)) if paired else 0.5 * (1 + np.clip(logits, -1, 1))
    found: NDArray[np.float32] = scores.astype(np.float32)
    return found


class Ranker:
    """Scores passages."""

    def __init__(self, encoding: Encoding, metrics: Metrics) -> None:
        self._encoding = encoding
        self._metrics = metrics

    async def rank(
        self, model: ServedModel, query: str, passages: Sequence[str], call: Call, *, truncate: str | None = None
    ) -> Ranking:
        """Score every passage against the query.

        Args:
            model: a `rank` model.
            query: the question.
            passages: at least one.
            call: deadline and identity of the request.
            truncate: what to do with too long an input: `NONE` (refuse), `START` or `END`.

        Raises:
            InvalidRequest: the engine refuses an input.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        (question,) = bound_texts([query], model, "query", truncate)
        answered = bound_texts(passages, model, "passage", truncate)

        def rows(start: int, stop: int) -> Mapping[str, Tensor]:
            part = answered[start:stop]
            return {"query": text_tensor([question] * len(part)), "passage": text_tensor(part)}

        answers = await self._encoding.run(model, len(passages), rows, text_parameters(truncate), call)
        logits = np.concatenate([output(answer, "logit").reshape(-1) for answer in answers])
        tokens = total_tokens(answers)
        self._metrics.model(model.root).prompt_tokens.inc(tokens)
        return Ranking(np.argsort(-logits, kind="stable"), logits, tokens)
