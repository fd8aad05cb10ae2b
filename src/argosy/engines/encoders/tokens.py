"""Turn texts into token ids with the Rust `tokenizers` library, and cut what is too long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from argosy.core.errors import InputTooLong, InvalidModelEntry, InvalidRequest
from argosy.core.tensors import Tensor
from argosy.engines.libraries import load

Text = str | tuple[str, str]
"""A text, or two that the network reads together."""


class Truncate(StrEnum):
    """Which end of an input that is too long to drop; NONE refuses it."""

    NONE = "NONE"
    START = "START"
    END = "END"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """What the network reads for one row: token ids, and for pairs which text each belongs to."""

    ids: Tensor
    type_ids: Tensor | None = None


class Tokens:
    """A model's tokenizer and its length limit.

    Attributes:
        filler: the id that pads a row.
        longest: most tokens of a row, special tokens included.
        vocabulary: one more than the highest token id.
    """

    def __init__(self, path: Path, longest: int, threads: int) -> None:
        """Load the tokenizer.

        Raises:
            InvalidModelEntry: the file is missing or is not a tokenizer; the message names it.
        """
        tokenizers = load("tokenizers", "A text encoder")
        if not path.is_file():
            raise InvalidModelEntry(f"The tokenizer {path} does not exist. Restore it, or correct argosy.yaml.")
        # The library sizes its thread pool on first use, from this variable only.
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            raise InvalidModelEntry(f"The tokenizer {path} cannot be read: {error}.") from error
        self.longest = longest
        self.filler = (self._tokenizer.padding or {}).get("pad_id", 0)
        self.vocabulary: int = max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[Text]) -> list[Any]:
        """One `tokenizers.Encoding` a text, special tokens added, not cut; offsets are not computed."""
        encodings: list[Any] = self._tokenizer.encode_batch_fast(list(texts)) if texts else []
        return encodings

    def fit(self, encoding: Any, truncate: Truncate, param: str) -> TokenRow:
        """The ids of an encoding within the limit; special tokens, and a pair's first text, are always kept.

        Raises:
            InputTooLong: over the limit and `truncate` is NONE, or nothing but the pair's first text would be left.
            InvalidRequest: the text has no token at all.
        """
        pair = encoding.n_sequences > 1
        ids = np.array(encoding.ids, dtype=np.int64)
        types = np.array(encoding.type_ids, dtype=np.int64) if pair else None
        self._check(len(ids), truncate, param)
        excess = len(ids) - self.longest
        if excess <= 0:
            return TokenRow(ids, types)
        part = encoding.n_sequences - 1
        own = np.array([index for index, owner in enumerate(encoding.sequence_ids) if owner == part])
        if excess >= len(own):
            raise self._too_long(len(ids), param)
        kept = np.delete(np.arange(len(ids)), own[:excess] if truncate is Truncate.START else own[-excess:])
        return TokenRow(ids[kept], None if types is None else types[kept])

    def fit_ids(self, ids: Tensor, truncate: Truncate, param: str) -> TokenRow:
        """Token ids (1-D, padded at the end with -1) as they stand, within the limit.

        Raises:
            InvalidRequest: no token, or an id that the vocabulary lacks.
            InputTooLong: over the limit and `truncate` is NONE.
        """
        padding = np.flatnonzero(ids == -1)
        row = ids[: padding[0]] if len(padding) else ids
        if len(padding) and np.any(ids[padding[0] :] != -1):
            raise InvalidRequest(f"'{param}' has token ids after the padding -1.", param=param)
        self._check(len(row), truncate, param)
        if row.min() < 0 or row.max() >= self.vocabulary:
            raise InvalidRequest(f"'{param}' must hold ids from 0 to {self.vocabulary - 1}.", param=param)
        cut = row[-self.longest :] if truncate is Truncate.START else row[: self.longest]
        return TokenRow(cut.astype(np.int64))

    def _check(self, length: int, truncate: Truncate, param: str) -> None:
        if length == 0:
            raise InvalidRequest(f"'{param}' holds no token. Send some text.", param=param)
        if length > self.longest and truncate is Truncate.NONE:
            raise self._too_long(length, param)

    def _too_long(self, length: int, param: str) -> InputTooLong:
        return InputTooLong(
            f"Input length {length} exceeds maximum allowed token size {self.longest}. "
            "Shorten it, or set 'truncate' to START or END.",
            param=param,
        )
