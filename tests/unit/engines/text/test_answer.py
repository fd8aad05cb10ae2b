"""An answer turns tokens into chunks, counts them exactly and ends once."""

from __future__ import annotations

from collections.abc import Sequence

from argosy.core.errors import EngineError
from argosy.engines.contract import Chunk
from argosy.engines.text.answer import Answer
from argosy.engines.text.detokenizer import ByteStream

TABLE = [bytes([byte]) for byte in range(256)] + [b""]
END = 256


def answer_to(chunks: list[Chunk], stops: Sequence[str] = (), *, include_stop: bool = False) -> Answer:
    """A fresh answer to a prompt of three tokens."""
    return Answer(chunks.append, ByteStream(TABLE), 3, end_tokens={END}, stops=stops, include_stop=include_stop)


def test_counts_every_token() -> None:
    """Each chunk tells the tokens so far, also those whose text is still to come."""
    chunks: list[Chunk] = []
    answer = answer_to(chunks)
    assert not answer.take(list("aé".encode()[:2]))
    assert not answer.take(list("é".encode()[1:]))
    assert answer.take([ord("b")], "length")
    assert chunks == [Chunk("a", None, 3, 2), Chunk("é", None, 3, 3), Chunk("b", "length", 3, 4)]


def test_an_unfinished_character_is_no_chunk() -> None:
    """A token that completes no character makes no chunk."""
    chunks: list[Chunk] = []
    answer_to(chunks).take(list("é".encode()[:1]))
    assert not chunks


def test_the_end_token_is_counted_and_not_shown() -> None:
    """The token that ends an answer counts as output."""
    chunks: list[Chunk] = []
    assert answer_to(chunks).take([ord("a"), END], "stop")
    assert chunks == [Chunk("a", "stop", 3, 2)]


def test_an_end_token_that_ended_nothing_is_an_ordinary_token() -> None:
    """An answer that ran to its length shows its last token whatever it is."""
    chunks: list[Chunk] = []
    answer = Answer(chunks.append, ByteStream(TABLE), 3, end_tokens={ord("z")})
    answer.take([ord("z")], "length")
    assert chunks == [Chunk("z", "length", 3, 1)]


def test_a_stop_text_ends_the_answer() -> None:
    """Tokens behind a stop text are neither shown nor counted, and the answer says that it is over."""
    chunks: list[Chunk] = []
    answer = answer_to(chunks, ["cd"])
    assert not answer.take(list(b"abc"))
    assert answer.take(list(b"def"))
    assert chunks == [Chunk("ab", None, 3, 3), Chunk("", "stop", 3, 4)]


def test_a_stop_text_beats_the_length() -> None:
    """A stop text in the last token of an answer is why it ended."""
    chunks: list[Chunk] = []
    answer_to(chunks, ["c"], include_stop=True).take(list(b"abc"), "length")
    assert chunks == [Chunk("abc", "stop", 3, 3)]


def test_held_back_text_comes_out_at_the_end() -> None:
    """Text that might have become a stop text and did not is part of the answer."""
    chunks: list[Chunk] = []
    answer = answer_to(chunks, ["bcd"])
    answer.take(list(b"ab"))
    answer.take(list(b"c"), "cancelled")
    assert chunks == [Chunk("a", None, 3, 2), Chunk("bc", "cancelled", 3, 3)]


def test_a_failure_is_the_last_chunk() -> None:
    """An error ends the answer and carries the counts."""
    chunks: list[Chunk] = []
    answer = answer_to(chunks)
    answer.take([ord("a")])
    error = EngineError("broken")
    answer.fail(error)
    assert chunks[-1] == Chunk("", None, 3, 1, error)
    assert chunks[-1].last
