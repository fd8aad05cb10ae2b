"""The tokenizer a model's own files bring, for entries without `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import openvino_genai as genai

from argosy.core.errors import InputTooLong, InvalidModelEntry
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
            self._tokenizer = genai.Tokenizer(model if gguf else model.parent)
            vocabulary: dict[bytes, int] = self._tokenizer.get_vocab()
        except (RuntimeError, ValueError, IndexError) as error:
            raise InvalidModelEntry(f"{model} brings no tokenizer that OpenVINO GenAI can read: {error}.") from error
        self.size = max(vocabulary.values(), default=-1) + 1
        self._limit = _LIBRARY_LIMIT if gguf else 0
        self._table = self._bytes_of_tokens(vocabulary) if gguf else None

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

    def stream(self, prompt: Sequence[int]) -> TextStream:
        """See `TextTokenizer`."""
        return WindowStream(self._tokenizer.decode, prompt) if self._table is None else ByteStream(self._table)

    def _bytes_of_tokens(self, vocabulary: dict[bytes, int]) -> list[bytes]:
        """The library reads byte-level GGUF vocabularies only, so each token is its bytes; special ones are empty."""
        table = [b""] * self.size
        for token, index in vocabulary.items():
            table[index] = token
        every = [[index] for index in range(self.size)]
        shown = self._tokenizer.decode(every, skip_special_tokens=True)
        whole = self._tokenizer.decode(every, skip_special_tokens=False)
        return [token if text == full else b"" for token, text, full in zip(table, shown, whole, strict=True)]
