"""Tokens show the bytes of their text, in every kind of vocabulary."""

from __future__ import annotations

import pytest
import tokenizers

from argosy.engines.text.byte_tokens import special_tokens, token_table
from tests.unit.engines.text.vocabularies import byte_level, metaspace, word_piece


def table(tokenizer: tokenizers.Tokenizer) -> list[bytes]:
    """The table of a whole vocabulary."""
    return token_table(tokenizer, tokenizer.get_vocab_size(with_added_tokens=True))


@pytest.mark.parametrize("text", ["the river é", "日本 🙂\n", "a\0b"])
def test_joined_they_are_the_text(text: str) -> None:
    """The bytes of a text's tokens joined are the text, characters in several tokens too."""
    tokenizer = byte_level()
    shown = table(tokenizer)
    assert b"".join(shown[token] for token in tokenizer.encode(text).ids) == text.encode()
    tokenizer = metaspace()
    shown = table(tokenizer)
    assert b"".join(shown[token] for token in tokenizer.encode(text).ids) == f" {text}".encode()


def test_other_kinds_show_what_they_decode_to() -> None:
    """A word piece shows its letters."""
    tokenizer = word_piece()
    assert table(tokenizer)[tokenizer.token_to_id("river")] == b"river"


def test_knows_special_tokens() -> None:
    """Special tokens are told apart, and their bytes are their names."""
    tokenizer = byte_level()
    end = tokenizer.token_to_id("<|end|>")
    assert special_tokens(tokenizer) == {end}
    assert table(tokenizer)[end] == b"<|end|>"
