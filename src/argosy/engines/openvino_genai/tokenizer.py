"""The tokenizer a model's own files bring, for entries without `tokenizer.json`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import openvino_genai as genai

from argosy.core.errors import InputTooLong, InvalidModelEntry
from argosy.engines.openvino_genai.gguf_header import without_weights
from argosy.engines.text.detokenizer import ByteStream, TextStream, WindowStream

_LIBRARY_LIMIT = 8192
"""Tokens after which the library's GGUF tokenizer cuts the text, silently, at its beginning."""


class NativeTokenizer:
    """OpenVINO GenAI's tokenizer: of a `.gguf` file, or `openvino_tokenizer.xml` beside a graph.

    It adds no start token to a GGUF model's prompt; a chat template does, where the model wants one.

    Raises:
        InvalidModelEntry: the library cannot read it.
    """

    def __init__(self, model: Path) -> None:
        gguf = model.suffix == ".gguf"
        try:
            self._tokenizer = load(model)
            vocabulary: dict[bytes, int] = self._tokenizer.get_vocab()
        except (RuntimeError, ValueError, IndexError) as error:
            raise InvalidModelEntry(f"{model} brings no tokenizer that OpenVINO GenAI can read: {error}.") from error
        self.size = max(vocabulary.values(), default=-1) + 1
        self._limit = _LIBRARY_LIMIT if gguf else 0
        self._whole = [b""] * self.size
        for token, index in vocabulary.items():
            self._whole[index] = token
        self._table = self._bytes_of_tokens(self._whole)

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """See `TextTokenizer`.

        Raises:
            InputTooLong: the text is longer than the library's tokenizer reads.
        """
        text.encode()
        encoded = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).input_ids.data
        ids: list[int] = encoded.reshape(-1).tolist()
        if self._limit and len(ids) >= self._limit:
            raise InputTooLong(
                f"The prompt exceeds maximum allowed length {self._limit - 1} of a GGUF file's own tokenizer. "
                "Shorten the prompt, or put the model's tokenizer.json beside the file.",
                param="prompt",
            )
        return ids

    def stream(self, prompt: Sequence[int], *, special: bool = False) -> TextStream:
        """See `TextTokenizer`."""
        if self._table is None:
            return WindowStream(partial(self._tokenizer.decode, skip_special_tokens=not special), prompt)
        return ByteStream(self._whole if special else self._table)

    def token_bytes(self, token: int, *, special: bool = False) -> bytes:
        """See `TextTokenizer`."""
        if not 0 <= token < self.size:
            return b""
        if self._table is None:
            text: str = self._tokenizer.decode([token], skip_special_tokens=not special)
            return text.encode()
        return (self._whole if special else self._table)[token]

    def _bytes_of_tokens(self, table: list[bytes]) -> list[bytes] | None:
        """The bytes each token shows, special ones none; None when tokens do not simply show their bytes."""
        every = [[index] for index in range(self.size)]
        shown = self._tokenizer.decode(every, skip_special_tokens=True)
        whole = self._tokenizer.decode(every, skip_special_tokens=False)
        if any(text not in _texts(token) for token, text in zip(table, whole, strict=True)):
            return None
        return [token if text == full else b"" for token, text, full in zip(table, shown, whole, strict=True)]


def load(model: Path) -> genai.Tokenizer:
    """The library's tokenizer of a `.gguf` file, or of the folder of a graph.

    Raises:
        InvalidModelEntry: the file is no whole GGUF file.
        RuntimeError: the library cannot read it.
    """
    if model.suffix != ".gguf":
        return genai.Tokenizer(model.parent)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / model.name
        copy.write_bytes(without_weights(model))
        return genai.Tokenizer(copy)


def _texts(token: bytes) -> set[str]:
    """What decoding a token alone may give; of bytes that are no whole character the library shows nothing."""
    return {token.decode(errors="ignore"), token.decode(errors="replace")}
