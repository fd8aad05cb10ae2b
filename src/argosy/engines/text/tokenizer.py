"""What an engine asks of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from argosy.engines.text.detokenizer import TextStream


class TextTokenizer(Protocol):
    """Text to token ids and back. Safe to use from several threads."""

    @property
    def size(self) -> int:
        """One more than the highest token id."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of `text`; with `add_special_tokens` as the tokenizer frames a whole document.

        Raises:
            UnicodeEncodeError: the text has lone surrogates and is no UTF-8.
        """
        ...

    def stream(self, prompt: Sequence[int], *, special: bool = False) -> TextStream:
        """A fresh detokeniser for one answer to `prompt`; with `special` it shows special tokens too."""
        ...

    def token_bytes(self, token: int, *, special: bool = False) -> bytes:
        """What a token shows, possibly a part of a character; special tokens show nothing unless told to."""
        ...
