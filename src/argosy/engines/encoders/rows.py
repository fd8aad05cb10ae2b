"""The distinct rows that the requests of one execution want read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from argosy.core.tensors import Tensor
from argosy.engines.encoders.inputs import Ask
from argosy.engines.encoders.tokens import Text, TokenRow, Tokens


class RowTable:
    """Every row once, however many requests ask for it.

    Attributes:
        rows: what the network has to read; grows as requests are placed.
    """

    def __init__(self, tokens: Tokens, asks: Sequence[Ask]) -> None:
        """Tokenise every distinct text of the requests together."""
        texts = {row: None for ask in asks for row in ask.rows if not isinstance(row, np.ndarray)}
        self._tokens = tokens
        self._encodings = dict(zip(texts, tokens.encode([*texts]), strict=True))
        self._indices: dict[Any, int] = {}
        self.rows: list[TokenRow] = []

    def place(self, ask: Ask) -> list[int]:
        """Where each row of the request is in `rows`.

        Raises:
            InvalidRequest: a row cannot be read.
            InputTooLong: a row is over the limit and may not be cut.
        """
        return [self._index(row, ask, param) for row, param in zip(ask.rows, ask.params, strict=True)]

    def _index(self, row: Text | Tensor, ask: Ask, param: str) -> int:
        key = (row.tobytes() if isinstance(row, np.ndarray) else row, ask.truncate)
        if key not in self._indices:
            if isinstance(row, np.ndarray):
                fitted = self._tokens.fit_ids(row, ask.truncate, param)
            else:
                fitted = self._tokens.fit(self._encodings[row], ask.truncate, param)
            self._indices[key] = len(self.rows)
            self.rows.append(fitted)
        return self._indices[key]
