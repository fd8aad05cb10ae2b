"""The samples, made or given."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.conversion.calibration import samples, sentences
from argosy.conversion.sources.kinds import Kind
from argosy.core.errors import InvalidModelEntry


def test_made_sentences_are_the_same_each_time_and_differ_from_one_another() -> None:
    """So that figures can be repeated, and say something."""
    made = sentences(200)
    assert made == sentences(200)
    assert len(set(made)) > 150


def test_a_cross_encoder_gets_pairs() -> None:
    """As many passages as queries."""
    made = samples(Kind.CROSS_ENCODER, None, 10)
    assert (len(made.texts), len(made.passages), made.generated) == (10, 10, True)


@pytest.mark.parametrize(
    ("name", "content", "kind", "texts", "passages"),
    [
        ("s.txt", "one\n\ntwo\nthree\n", Kind.ENCODER, ("one", "two"), ()),
        ("s.txt", "q\tp\nr\ts\n", Kind.CROSS_ENCODER, ("q", "r"), ("p", "s")),
        ("s.jsonl", '{"text": "one"}\n{"prompt": "two"}\n', Kind.DECODER, ("one", "two"), ()),
        ("s.jsonl", '{"query": "q", "passage": "p"}\n' * 2, Kind.CROSS_ENCODER, ("q", "q"), ("p", "p")),
    ],
)
def test_samples_of_ones_own(
    tmp_path: Path, name: str, content: str, kind: Kind, texts: tuple[str, ...], passages: tuple[str, ...]
) -> None:
    """No more than asked for; blank lines are none."""
    (tmp_path / name).write_text(content)
    found = samples(kind, tmp_path / name, 2)
    assert (found.texts, found.passages, found.generated) == (texts, passages, False)


@pytest.mark.parametrize(
    ("name", "content", "kind", "said"),
    [
        ("s.txt", "one\n", Kind.ENCODER, "at least 2"),
        ("s.txt", "one\ntwo\n", Kind.CROSS_ENCODER, "line 1"),
        ("s.jsonl", '{"text": 1}\n{"text": "two"}\n', Kind.ENCODER, "line 1"),
        ("s.jsonl", "[]\n[]\n", Kind.ENCODER, "line 1"),
        ("s.txt", "one\ntwo\n", Kind.NETWORK, "npz"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_line(
    tmp_path: Path, name: str, content: str, kind: Kind, said: str
) -> None:
    """The message says what was expected."""
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidModelEntry, match=said):
        samples(kind, tmp_path / name, 8)
