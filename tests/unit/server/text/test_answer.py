from __future__ import annotations

import json
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from argosy.server.text.answer import AnswerReader
from argosy.server.text.pieces import CallArguments, CallBegun, Piece, Said, Thought, joined
from argosy.server.text.reasoning import ThoughtReader
from argosy.server.text.tools.families import FAMILIES

NAMES = ("add", "get_weather")
FRAGMENTS = [
    *(
        "<think>",
        "</think>",
        "<think",
        "</",
        "<tool_call>",
        "</tool_call>",
        "<tool_call>\n",
        "\n</tool_call>",
        "<tool_",
    ),
    *("<|python_tag|>", "[TOOL_CALLS]", "[", "]", "{", "}", '"', "\\", ",", ", ", "; ", ":", "\n", " ", "(", ")"),
    *(
        '{"name": "add", "arguments": ',
        '{"name": "add", "parameters": ',
        '{"a": [1, {"b": "}"}]}',
        '{"arguments": {}, ',
    ),
    *('"name": "get_weather"', "add(", "get_weather(", 'city="Oslo"', "a=1", "add", "Hello", "é", "\N{GRINNING FACE}"),
    '{"name": "add", "arguments": {"a": 1}}',
    '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>',
    '[{"name": "add", "arguments": {"a": 1}}]',
    "[add(a=1)]",
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=12).map("".join)
CUTS = st.lists(st.integers(0, 200), max_size=20)
FAMILY = st.sampled_from([*sorted(FAMILIES), None])


def read(family: str | None, chunks: Sequence[str], *, thinks: bool = False, opened: bool = False) -> list[Piece]:
    """The pieces of an answer that comes in these chunks."""
    calls = None if family is None else FAMILIES[family].reader(NAMES)
    reader = AnswerReader(ThoughtReader(opened=opened) if thinks else None, calls)
    pieces = [piece for chunk in chunks for piece in reader.feed(chunk)]
    return joined([*pieces, *reader.finish()])


def cut(text: str, places: Sequence[int]) -> list[str]:
    """The text in chunks that end at these places."""
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=400, deadline=None)
@given(text=TEXTS, places=CUTS, family=FAMILY, thinks=st.booleans(), opened=st.booleans())
def test_pieces_do_not_depend_on_the_chunks(
    text: str, places: list[int], family: str | None, thinks: bool, opened: bool
) -> None:
    """L12: a joined stream is the whole answer, wherever marks, strings and characters are cut."""
    whole = read(family, [text], thinks=thinks, opened=opened)
    assert read(family, cut(text, places), thinks=thinks, opened=opened) == whole
    assert read(family, list(text), thinks=thinks, opened=opened) == whole


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, family=st.sampled_from(sorted(FAMILIES)))
def test_calls_are_well_formed_and_in_order(text: str, family: str) -> None:
    """Each begins once, by its number, with a name that was offered; arguments follow and are an object's text."""
    begun = 0
    arguments: dict[int, str] = {}
    for piece in read(family, [text]):
        if isinstance(piece, CallBegun):
            assert (piece.index, piece.name in NAMES) == (begun, True)
            begun += 1
        elif isinstance(piece, CallArguments):
            assert piece.index == begun - 1
            arguments[piece.index] = arguments.get(piece.index, "") + piece.text
    assert sorted(arguments) == list(range(begun))
    assert all(value.startswith("{") for value in arguments.values())


@settings(max_examples=300, deadline=None)
@example(text="[", family="mistral")
@example(text="[TOOL_CALLS][", family="mistral")
@given(text=TEXTS, family=st.sampled_from(sorted(FAMILIES)))
def test_an_answer_without_calls_is_said_to_the_letter(text: str, family: str) -> None:
    """Nothing that only looks like a call is lost."""
    pieces = read(family, [text])
    if not any(isinstance(piece, CallBegun) for piece in pieces):
        assert pieces == ([Said(text)] if text else [])


@given(text=TEXTS, places=CUTS)
def test_an_answer_without_readers_is_said_to_the_letter(text: str, places: list[int]) -> None:
    """The plain case."""
    assert read(None, cut(text, places)) == ([Said(text)] if text else [])


@given(arguments=st.dictionaries(st.text(max_size=5), st.recursive(st.integers() | st.text(), st.lists), max_size=4))
def test_any_arguments_come_through_unchanged(arguments: dict[str, object]) -> None:
    """Marks and brackets inside strings mean nothing."""
    text = json.dumps(arguments, ensure_ascii=False)
    for family, before, after in [
        ("hermes", '<tool_call>\n{"name": "add", "arguments": ', "}\n</tool_call>"),
        ("llama3_json", '{"name": "add", "parameters": ', "}"),
        ("mistral", '[TOOL_CALLS][{"name": "add", "arguments": ', "}]"),
    ]:
        assert read(family, list(before + text + after)) == [CallBegun(0, "add"), CallArguments(0, text)]


def test_calls_are_read_in_what_is_said_only() -> None:
    """A call in a thought is a thought."""
    call = '<tool_call>{"name": "add"}</tool_call>'
    pieces = read("hermes", [f"<think>\nShall I {call}?\n</think>\n\n{call}"], thinks=True)
    assert pieces == [Thought(f"Shall I {call}?"), CallBegun(0, "add"), CallArguments(0, "{}")]


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize(
    "text",
    [
        "[" * 40_000,
        "{" * 40_000,
        "<tool_call>" * 4_000,
        '[TOOL_CALLS][{"name": "' * 2_000,
        " " * 40_000,
        '"' * 40_000,
    ],
    ids=["lists", "objects", "marks", "strings", "blanks", "quotes"],
)
def test_hostile_answers_cost_linear_time(family: str, text: str) -> None:
    """L6: twice the text takes about twice as long, not four times; nothing raises."""

    def seconds(length: int) -> float:
        begun = time.process_time()
        read(family, [text[at : at + 16] for at in range(0, length, 16)])
        return time.process_time() - begun

    short = min(seconds(len(text) // 4) for _ in range(2))
    # A busy machine shows in processor time too; a square of 40,000 would take minutes.
    assert seconds(len(text)) < 12 * short + 2.0
