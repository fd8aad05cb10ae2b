"""The tokenizer from `tokenizer.json`."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.text.json_tokenizer import JsonTokenizer
from tests.suites.tiny_models import TinyLanguageModel


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    TinyLanguageModel.make().tokenizer().save(str(path))
    return path


def test_frames_a_document_only_when_asked(path: Path) -> None:
    """`add_special_tokens` decides whether the start token is put before the text."""
    tokenizer = JsonTokenizer(path)
    begin = 0
    bare = tokenizer.encode("river", add_special_tokens=False)
    assert tokenizer.encode("river", add_special_tokens=True) == [begin, *bare]


def test_neither_cuts_nor_pads(tmp_path: Path) -> None:
    """Truncation and padding that a file was trained with do not touch a prompt."""
    tokenizer = TinyLanguageModel.make().tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    read = JsonTokenizer(tmp_path / "tokenizer.json")
    assert len(read.encode("x" * 100, add_special_tokens=False)) == 100
    assert len(read.encode("x", add_special_tokens=False)) == 1


def test_streams_what_it_encoded(path: Path) -> None:
    """Text comes back from its tokens, one at a time."""
    tokenizer = JsonTokenizer(path)
    stream = tokenizer.stream([])
    tokens = tokenizer.encode("river é 日本 🙂", add_special_tokens=True)
    assert "".join(stream.push(token) for token in tokens) + stream.finish() == "river é 日本 🙂"


def test_knows_its_size(path: Path) -> None:
    """`size` is one more than the highest token id."""
    assert JsonTokenizer(path).size == len(TinyLanguageModel.make().vocabulary.tokens)


def test_refuses_text_that_is_no_utf8(path: Path) -> None:
    """Lone surrogates are refused and not replaced."""
    with pytest.raises(UnicodeEncodeError):
        JsonTokenizer(path).encode("\ud800", add_special_tokens=False)


@pytest.mark.parametrize("content", [None, "", "{", '{"model": 1}'])
def test_names_a_broken_file(tmp_path: Path, content: str | None) -> None:
    """A missing or damaged file is `InvalidModelEntry` that names it."""
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidModelEntry, match=r"broken\.json"):
        JsonTokenizer(path)


def test_special_tokens_are_shown_to_those_who_ask(path: Path) -> None:
    """The end token is no text, in a stream and as bytes, unless asked for."""
    tokenizer = JsonTokenizer(path)
    end = TinyLanguageModel.make().vocabulary.eos_id
    for special, text in ((False, ""), (True, "<|end|>")):
        stream = tokenizer.stream([], special=special)
        assert stream.push(end) + stream.finish() == text
        assert tokenizer.token_bytes(end, special=special) == text.encode()


def test_the_bytes_of_tokens_are_the_text(path: Path) -> None:
    """Tokens that hold a part of a character show its bytes; an id outside the vocabulary shows nothing."""
    tokenizer = JsonTokenizer(path)
    tokens = tokenizer.encode("river é 🙂", add_special_tokens=True)
    assert b"".join(tokenizer.token_bytes(token) for token in tokens) == "river é 🙂".encode()
    assert tokenizer.token_bytes(tokenizer.size) == tokenizer.token_bytes(-1) == b""
