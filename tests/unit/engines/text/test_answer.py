"""An answer turns tokens into chunks, counts them exactly and ends once."""

from __future__ import annotations

from collections.abc import Sequence

from argosy.core.errors import EngineError
from argosy.engines.contract import Chunk
from argosy.engines.text.answer import Answer
from argosy.engines.text.blanks import MOST_BLANKS, BlankRun
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


def bytes_of(token: int) -> bytes:
    """What a token of the table shows."""
    return TABLE[token]


def likely_answer(chunks: list[Chunk], stops: Sequence[str] = (), *, include_stop: bool = False) -> Answer:
    """A fresh answer that tells log-probabilities."""
    stream = ByteStream(TABLE)
    return Answer(
        chunks.append, stream, 3, end_tokens={END}, stops=stops, include_stop=include_stop, token_bytes=bytes_of
    )


def told(chunk: Chunk) -> list[tuple[bytes, float]]:
    """A chunk's tokens with their log-probabilities."""
    return [(token.token, token.logprob) for token in chunk.logprobs]


def test_log_probabilities_come_with_their_text() -> None:
    """Each token is told in the chunk that begins to show it, the parts of a character together; the end token not."""
    chunks: list[Chunk] = []
    answer = likely_answer(chunks)
    first, second = "é".encode()
    answer.take([ord("a"), first], None, [-0.1, -0.2])
    answer.take([second, ord("b")], None, [-0.3, -0.4])
    answer.take([END], "stop", [-0.5])
    assert [told(chunk) for chunk in chunks] == [
        [(b"a", -0.1)],
        [(bytes([first]), -0.2), (bytes([second]), -0.3), (b"b", -0.4)],
        [],
    ]


def test_held_back_text_holds_its_log_probabilities_back() -> None:
    """Tokens of text in which a stop text may begin are told with the text, or not at all when it was one."""
    chunks: list[Chunk] = []
    answer = likely_answer(chunks, ["cd"])
    answer.take(list(b"abc"), None, [-0.1, -0.2, -0.3])
    answer.take(list(b"x"), None, [-0.4])
    answer.take(list(b"cde"), None, [-0.5, -0.6, -0.7])
    assert [told(chunk) for chunk in chunks] == [[(b"a", -0.1), (b"b", -0.2)], [(b"c", -0.3), (b"x", -0.4)], []]
    assert chunks[-1].finish_reason == "stop"


def test_a_kept_stop_text_is_told_too() -> None:
    """With `include_stop` the stop text's tokens are part of the answer."""
    chunks: list[Chunk] = []
    likely_answer(chunks, ["cd"], include_stop=True).take(list(b"bcd"), None, [-0.1, -0.2, -0.3])
    assert told(chunks[-1]) == [(b"b", -0.1), (b"c", -0.2), (b"d", -0.3)]


def test_every_token_is_told_at_the_end() -> None:
    """A token without text and half a character are told when the answer ends; impossible is a very small number."""
    chunks: list[Chunk] = []
    answer = likely_answer(chunks)
    answer.take([ord("a"), END, "é".encode()[0]], "length", [-0.1, float("-inf"), float("nan")])
    assert told(chunks[-1]) == [(b"a", -0.1), (b"", -9999.0), (b"\xc3", -9999.0)]


def test_an_answer_that_runs_off_into_blanks_ends() -> None:
    """White space without end is cut off with "length", and the answer says that it is over."""
    chunks: list[Chunk] = []
    answer = Answer(chunks.append, ByteStream(TABLE), 3, blanks=BlankRun(strings=True))
    assert not answer.take(list(b'{"a":' + b" " * MOST_BLANKS))
    assert answer.take(list(b"  1}"))
    assert chunks[-1] == Chunk(" ", "length", 3, 5 + MOST_BLANKS + 1)


def test_alternatives_stand_beside_their_token() -> None:
    """The likeliest tokens at each place are told with their own bytes, whatever was chosen."""
    chunks: list[Chunk] = []
    answer = likely_answer(chunks)
    answer.take([ord("a"), ord("b")], "length", [-0.5, -0.1], [[(ord("b"), -0.2), (ord("a"), -0.5)], []])
    (first, second) = (token for chunk in chunks for token in chunk.logprobs)
    assert [(other.token, other.logprob) for other in first.top] == [(b"b", -0.2), (b"a", -0.5)]
    assert second.top == ()
