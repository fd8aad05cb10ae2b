"""The tokenizer that reads Hugging Face `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import tokenizers

from argosy.core.errors import InvalidModelEntry
from argosy.engines.text.byte_tokens import special_tokens, token_table
from argosy.engines.text.detokenizer import TextStream, WindowStream


class JsonTokenizer:
    """A tokenizer in Hugging Face `tokenizers` format.

    Raises:
        InvalidModelEntry: the file is missing or broken.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InvalidModelEntry(f"{path} is missing; 'tokenizer' in argosy.yaml names it.")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            raise InvalidModelEntry(f"{path} is not a tokenizer in Hugging Face format: {error}.") from error
        # A file may carry training-time settings; a language model's prompt is neither cut nor padded.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.size = max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """See `TextTokenizer`."""
        text.encode()
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def stream(self, prompt: Sequence[int], *, special: bool = False) -> TextStream:
        """See `TextTokenizer`."""
        return WindowStream(partial(self._tokenizer.decode, skip_special_tokens=not special), prompt)

    def token_bytes(self, token: int, *, special: bool = False) -> bytes:
        """See `TextTokenizer`."""
        if not 0 <= token < self.size or (token in self._special and not special):
            return b""
        return self._table[token]

    @cached_property
    def _table(self) -> list[bytes]:
        # Takes a while for a large vocabulary, and most deployments never need it.
        return token_table(self._tokenizer, self.size)

    @cached_property
    def _special(self) -> frozenset[int]:
        return special_tokens(self._tokenizer)
