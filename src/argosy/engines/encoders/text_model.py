"""From requests to rows of tokens, and from what the network says of them to results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from argosy.core.errors import ArgosyError, EngineError
from argosy.core.models import ModelSpec, Task, TextSpec
from argosy.core.tensors import Tensor
from argosy.engines.contract import TensorRequest, TensorResult
from argosy.engines.encoders import inputs
from argosy.engines.encoders.head import Head
from argosy.engines.encoders.inputs import Ask
from argosy.engines.encoders.rows import RowTable
from argosy.engines.encoders.tokens import TokenRow, Tokens

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_OUTPUT = {Task.EMBED: "embedding", Task.RANK: "logit", Task.CLASSIFY: "probabilities"}


@dataclass(frozen=True, slots=True)
class TextModel:
    """An encoder around its network: tasks embed, rank and classify.

    Attributes:
        spec: what the model is; `text` is set.
        tokens: its tokenizer.
        head: the entry's own classification head, or None.
        run: the network's answer for each row, None where its execution failed: an embedding, the logits of a pair, or
            class probabilities, FP32 [d].
    """

    spec: ModelSpec
    tokens: Tokens
    head: Head | None
    run: Callable[[Sequence[TokenRow]], Sequence[Tensor | None]]

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """Read every distinct text of the requests once, and answer each request from what came out."""
        asks = [_attempt(self._read, request) for request in requests]
        table = RowTable(self.tokens, [ask for ask in asks if isinstance(ask, Ask)])
        places = [ask if isinstance(ask, ArgosyError) else _attempt(table.place, ask) for ask in asks]
        answers = self.run(table.rows)
        return [self._answer(ask, place, table.rows, answers) for ask, place in zip(asks, places, strict=True)]

    @property
    def _text(self) -> TextSpec:
        return self.spec.text or TextSpec()

    def _read(self, request: TensorRequest) -> Ask:
        return inputs.read(request, self.spec.task, self._text, pairs=self._text.pair)

    def _answer(
        self,
        ask: Ask | ArgosyError,
        place: list[int] | ArgosyError,
        rows: Sequence[TokenRow],
        answers: Sequence[Tensor | None],
    ) -> TensorResult:
        if isinstance(ask, ArgosyError):
            return ask
        if isinstance(place, ArgosyError):
            return place
        chosen = [answers[index] for index in place]
        found = [answer for answer in chosen if answer is not None]
        if len(found) < len(chosen):
            return EngineError("The network failed to run this input. The server's log has the cause.")
        vectors = np.stack(found)
        tokens = np.array([len(rows[index].ids) for index in place], dtype=np.int32)[:, None]
        if self._text.pair:
            # Two logits are those against and for the passage; their difference is the log-odds that one would be.
            vectors = vectors[:, -1:] - vectors[:, :1] if vectors.shape[1] == 2 else vectors
        elif len(vectors) > ask.count:  # query and passage were read apart: the answer is their cosine
            vectors = (vectors[: ask.count] * vectors[ask.count :]).sum(axis=1, keepdims=True)
            tokens = tokens[: ask.count] + tokens[ask.count :]
        if self.head is not None:
            vectors = self.head.probabilities(vectors)
        return {_OUTPUT[self.spec.task]: vectors, "tokens": tokens}


def _attempt(step: Callable[[_Given], _Made], given: _Given) -> _Made | ArgosyError:
    """What the step returns, or the error it raises: a mistake in one request stays there."""
    try:
        return step(given)
    except ArgosyError as error:
        return error
