"""Token ids to text, one token at a time, without ever cutting a UTF-8 character in two.

Two ways, chosen by what the tokenizer can tell: `ByteStream` when each token is known to be a fixed row of bytes
(byte-level BPE), `WindowStream` for any tokenizer that can decode a list of ids.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Protocol

REPLACEMENT = "\ufffd"
"""What a decoder puts where bytes are no UTF-8, or not yet."""


class TextStream(Protocol):
    """One answer's detokeniser. The texts returned, joined, are the answer."""

    def push(self, token: int) -> str:
        """The text that `token` completes, possibly empty; never a part of a character."""
        ...

    def finish(self) -> str:
        """What was held back; bytes that never became a character come out as U+FFFD."""
        ...


class ByteStream:
    """Detokeniser for vocabularies in which every token is a fixed row of bytes.

    Args:
        table: bytes by token id; special tokens are empty.
    """

    __slots__ = ("_decode", "_table")

    def __init__(self, table: Sequence[bytes]) -> None:
        self._table = table
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def push(self, token: int) -> str:
        """See `TextStream`; a token outside the table adds nothing."""
        return self._decode(self._table[token]) if 0 <= token < len(self._table) else ""

    def finish(self) -> str:
        """See `TextStream`."""
        return self._decode(b"", final=True)


class WindowStream:
    """Detokeniser over a function that decodes a list of ids: decodes a short window and gives its growth.

    Tokenizers with a word-start mark drop the first word's space, so the window begins with the prompt's last
    tokens: the answer to "The capital is" then starts with " Paris", and prompt and answer can be joined.

    Args:
        decode: text of a list of ids; each call costs its length, which stays below `_LONGEST`.
        context: the prompt's tokens, or its last few.
    """

    __slots__ = ("_boundary", "_decode", "_given", "_pending", "_window")

    _CONTEXT = 6
    _GROWTH = 16
    _LONGEST = 64
    _UNFINISHED = 3
    """Most bytes, and with them tokens and replacement characters, of a character that is not whole yet."""

    def __init__(self, decode: Callable[[list[int]], str], context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._window = list(context[-self._CONTEXT :])
        self._given = len(decode(self._window)) if self._window else 0
        self._pending = 0
        self._boundary = 0

    def push(self, token: int) -> str:
        """See `TextStream`."""
        self._window.append(token)
        text = self._decode(self._window)
        settled = self._settled(text)
        new = text[self._given : settled]
        self._given = max(self._given, settled)
        if settled == len(text):
            self._shorten()
        return new

    def finish(self) -> str:
        """See `TextStream`."""
        text = self._decode(self._window)[self._given :] if self._window else ""
        self._given += len(text)
        return text

    def _shorten(self) -> None:
        """Let the window begin between two characters, a few tokens back; called at such a place."""
        length = len(self._window)
        if length >= self._GROWTH and self._boundary:
            self._window = self._window[self._boundary :]
            self._given = len(self._decode(self._window))
            self._boundary = 0
        elif length >= self._GROWTH - self._CONTEXT and not self._boundary:
            self._boundary = length

    def _settled(self, text: str) -> int:
        """Characters of `text` that later tokens cannot change."""
        if not text.endswith(REPLACEMENT) or len(self._window) >= self._LONGEST:
            self._pending = 0
            return len(text)
        self._pending += 1
        certain = len(text.rstrip(REPLACEMENT))
        if self._pending <= self._UNFINISHED:
            # Decoders with byte fallback show a whole run of bytes as replacements until its last character is whole.
            return certain
        return max(certain, len(text) - self._UNFINISHED)
