"""Detokenising one token at a time gives the text that detokenising all of them gives, in whole characters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.engines.text.detokenizer import REPLACEMENT, ByteStream, TextStream, WindowStream
from tests.unit.engines.text.vocabularies import byte_level, metaspace, word_piece

BYTE_LEVEL = byte_level()
METASPACE = metaspace()
WORD_PIECE = word_piece()
BYTES = [bytes([byte]) for byte in range(256)]


def pieces(stream: TextStream, tokens: Sequence[int]) -> list[str]:
    """What the stream gives for each token, and at the end."""
    return [*(stream.push(token) for token in tokens), stream.finish()]


class TestByteStream:
    @given(st.text())
    def test_joined_pieces_are_the_text(self, text: str) -> None:
        """Every text comes back from its bytes."""
        assert "".join(pieces(ByteStream(BYTES), list(text.encode()))) == text

    @given(st.text(alphabet=st.characters(min_codepoint=0x80, codec="utf-8"), min_size=1))
    def test_gives_whole_characters_only(self, text: str) -> None:
        """A character appears with its last byte, and not before."""
        assert [piece for piece in pieces(ByteStream(BYTES), list(text.encode())) if piece] == list(text)

    @given(st.binary())
    def test_bytes_that_are_no_text_become_replacement_characters(self, data: bytes) -> None:
        """Bytes that are no UTF-8 come out as decoding them at once would show them."""
        assert "".join(pieces(ByteStream(BYTES), list(data))) == data.decode(errors="replace")

    def test_unknown_tokens_add_nothing(self) -> None:
        """Tokens outside the table and special tokens are not text."""
        assert pieces(ByteStream([b"a", b""]), [0, 1, 2, -1, 0]) == ["a", "", "", "", "a", ""]


class TestWindowStream:
    @given(st.lists(st.integers(0, 256)))
    @settings(max_examples=300)
    def test_byte_level_tokens_give_what_decoding_them_at_once_gives(self, tokens: list[int]) -> None:
        """Also for bytes that are no UTF-8 and for special tokens, the pieces joined are the decoded whole."""
        assert "".join(pieces(WindowStream(BYTE_LEVEL.decode), tokens)) == BYTE_LEVEL.decode(tokens)

    @given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters=REPLACEMENT)))
    @settings(max_examples=300)
    def test_metaspace_text_comes_back(self, text: str) -> None:
        """Spaces, words and characters spelled in bytes come back as decoding them at once gives them."""
        tokens = METASPACE.encode(text).ids
        assert "".join(pieces(WindowStream(METASPACE.decode), tokens)) == METASPACE.decode(tokens)

    @given(st.lists(st.integers(0, 7)))
    def test_word_pieces_come_back(self, tokens: list[int]) -> None:
        """A tokenizer whose spaces depend on the neighbours streams as well."""
        joined = "".join(pieces(WindowStream(WORD_PIECE.decode), tokens))
        assert joined.replace(" ", "") == WORD_PIECE.decode(tokens).replace(" ", "")

    @pytest.mark.parametrize("tokenizer", [BYTE_LEVEL, METASPACE], ids=["byte_level", "metaspace"])
    def test_no_piece_holds_half_a_character(self, tokenizer: object) -> None:
        """A character of many tokens appears once it is whole."""
        text = "river 日本é🙂 the 🙂🙂 stone"
        tokens = tokenizer.encode(text).ids
        assert all(REPLACEMENT not in piece for piece in pieces(WindowStream(tokenizer.decode), tokens))

    def test_a_real_replacement_character_is_text(self) -> None:
        """U+FFFD that the model spells out is part of the answer."""
        text = f"a{REPLACEMENT}b{REPLACEMENT}"
        tokens = BYTE_LEVEL.encode(text).ids
        assert "".join(pieces(WindowStream(BYTE_LEVEL.decode), tokens)) == text

    def test_the_answer_can_be_joined_to_the_prompt(self) -> None:
        """With the prompt as context the answer keeps the space before its first word."""
        prompt, answer = METASPACE.encode("the").ids, METASPACE.encode("river").ids
        assert "".join(pieces(WindowStream(METASPACE.decode), answer)) == "river"
        assert "".join(pieces(WindowStream(METASPACE.decode, prompt), answer)) == " river"

    def test_a_long_answer_costs_no_more_at_its_end(self) -> None:
        """The window that is decoded stays short however long the answer, text or not."""
        longest = 0

        def decode(tokens: list[int]) -> str:
            nonlocal longest
            longest = max(longest, len(tokens))
            return BYTE_LEVEL.decode(tokens)

        invalid_byte = BYTE_LEVEL.token_to_id("ÿ")
        for tokens in ([5] * 2000, [invalid_byte] * 2000):
            pieces(WindowStream(decode), tokens)
        assert longest < 100
