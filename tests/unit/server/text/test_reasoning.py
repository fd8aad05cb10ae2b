from __future__ import annotations

from collections.abc import Sequence

import pytest

from argosy.server.text.pieces import Piece, Said, Thought, joined
from argosy.server.text.reasoning import ThoughtReader, closed_by, opened_by


def split(*chunks: str, opened: bool = False) -> list[Piece]:
    """The pieces of an answer."""
    reader = ThoughtReader(opened=opened)
    return joined([*(piece for chunk in chunks for piece in reader.feed(chunk)), *reader.finish()])


@pytest.mark.parametrize(
    ("text", "opened", "pieces"),
    [
        ("<think>\nHm.\n</think>\n\nYes.", False, [Thought("Hm."), Said("Yes.")]),
        ("\n <think>Hm.</think>Yes.", False, [Thought("Hm."), Said("Yes.")]),
        ("Hm.\n</think>\n\nYes.", True, [Thought("Hm."), Said("Yes.")]),
        ("Yes.", False, [Said("Yes.")]),
        (" Yes.", False, [Said(" Yes.")]),
        ("Yes <think>no</think>", False, [Said("Yes <think>no</think>")]),
        ("<think>Hm.", False, [Thought("Hm.")]),
        ("<think>Hm. </thi", False, [Thought("Hm. </thi")]),
        ("<thi", False, [Said("<thi")]),
        ("<think>\n\n</think>\n\nYes.", False, [Said("Yes.")]),
        ("<think></think>", False, []),
        ("", True, []),
    ],
)
def test_a_thought_is_split_from_the_answer(text: str, opened: bool, pieces: Sequence[Piece]) -> None:
    """White space around the marks belongs to neither part; a thought that never ends is a thought."""
    assert split(text, opened=opened) == pieces
    assert split(*text, opened=opened) == pieces


def test_a_thought_comes_out_as_it_is_written() -> None:
    """What cannot be the closing mark is not held back."""
    reader = ThoughtReader(opened=True)
    assert reader.feed("First, ") == [Thought("First,")]
    assert reader.feed("then </th") == [Thought(" then")]
    assert reader.feed("is.") == [Thought(" </this.")]


def test_the_prompt_tells_whether_a_thought_is_open() -> None:
    """Templates open it to make the model think, and close it to keep it from thinking."""
    assert opened_by("<|assistant|><think>\n")
    assert not opened_by("<|assistant|>")
    assert closed_by("<|assistant|><think>\n\n</think>\n\n")
    assert not closed_by("<|assistant|><think>\n")
