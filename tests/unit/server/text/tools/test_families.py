from __future__ import annotations

import json

import pytest

from argosy.server.text.pieces import CallArguments, CallBegun, Piece, Said, joined
from argosy.server.text.tools.families import FAMILIES
from argosy.server.text.tools.pythonic import LONGEST
from argosy.server.text.tools.reader import LONGEST_ARGUMENTS, MOST_CALLS

NAMES = ("f", "g")
F = [CallBegun(0, "f"), CallArguments(0, '{"a": 1}')]
G = [CallBegun(1, "g"), CallArguments(1, "{}")]


def read(family: str, *chunks: str, most: int = MOST_CALLS) -> list[Piece]:
    """The pieces of an answer."""
    reader = FAMILIES[family].reader(NAMES, most)
    return joined([*(piece for chunk in chunks for piece in reader.feed(chunk)), *reader.finish()])


@pytest.mark.parametrize(
    ("family", "text", "pieces"),
    [
        ("hermes", '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>', F),
        ("qwen", '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>', F),
        ("hermes", '<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>', F),
        ("hermes", '<tool_call>{"type": "function", "name": "f", "parameters": {"a": 1}}</tool_call>', F),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1}}', F),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1}}\n</tool_', F),
        (
            "hermes",
            '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>\n<tool_call>{"name": "g"}</tool_call>\n',
            [*F, *G],
        ),
        (
            "hermes",
            'Let me see.\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>',
            [Said("Let me see.\n"), *F],
        ),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>\nDone.', [*F, Said("\nDone.")]),
        ("hermes", "\n\n" + '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>', F),
        ("llama3_json", '{"name": "f", "parameters": {"a": 1}}', F),
        ("llama3_json", ' {"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}', [*F, *G]),
        ("llama3_json", '<|python_tag|>{"name": "f", "parameters": {"a": 1}}', F),
        ("llama3_json", '{"name": "f", "parameters": {"a": 1}}\n{"name": "g"}', [*F, *G]),
        ("mistral", '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}]', F),
        ("mistral", '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]', [*F, *G]),
        ("mistral", '[{"name": "f", "arguments": {"a": 1}}]', F),
        ("mistral", 'Sure.[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}]', [Said("Sure."), *F]),
        ("pythonic", "[f(a=1)]", F),
        ("pythonic", "[f(a=1), g()]", [*F, *G]),
        ("pythonic", "\n[ f(a=1),\n  g() ]", [*F, *G]),
    ],
)
def test_calls_are_found(family: str, text: str, pieces: list[Piece]) -> None:
    """In each family's own words, and in the ways models vary them."""
    assert read(family, text) == pieces
    assert read(family, *text) == pieces


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("hermes", '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>'),
        ("hermes", "<tool_call>nonsense</tool_call>"),
        ("hermes", '<tool_call>{"name": 5}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": "text"}</tool_call>'),
        ("hermes", '<tool_call>{"arguments": {}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "\\x"}</tool_call>'),
        ("hermes", "a < b and <tool> and <tool_call"),
        ("llama3_json", '{"city": "Oslo", "name": "f"}'),
        ("llama3_json", 'As JSON: {"name": "f", "parameters": {}}'),
        ("llama3_json", '{"name": "f'),
        ("mistral", 'See [1] and [{"name": "f", "arguments": {}}]'),
        ("mistral", "[TOOL_CALLS]f"),
        ("mistral", "[1, 2]"),
        ("pythonic", "[f](https://example.org)"),
        ("pythonic", "[f(1)]"),
        ("pythonic", "[f(a=1), unknown()]"),
        ("pythonic", "[f(a=__import__('os'))]"),
        ("pythonic", "[f(**{'a': 1})]"),
        ("pythonic", "[f(a=1)(b=2)]"),
        ("pythonic", "[f(a=1e999)]"),
        ("pythonic", "[f(a={1, 2})]"),
        ("pythonic", "[f(a={1: 2})]"),
        ("pythonic", "[f(a='\\ud800')]"),
        ("pythonic", "[f(a=1"),
        ("pythonic", "[f(a=" + "-" * 5000 + "1)]"),
        ("pythonic", "[f(a=" + "(" * 300 + ")" * 300 + ")]"),
        ("pythonic", "[f(a='" + "x" * LONGEST + "')]"),
    ],
)
def test_what_only_looks_like_a_call_is_text(family: str, text: str) -> None:
    """To the letter, and without an exception."""
    assert read(family, text) == [Said(text)]
    assert read(family, *text) == [Said(text)]


def test_arguments_come_out_as_they_are_written() -> None:
    """The name first, then every piece of the arguments at once."""
    reader = FAMILIES["hermes"].reader(NAMES)
    assert reader.feed('<tool_call>{"name": "f", ') == []
    assert reader.feed('"arguments": {"a') == [CallBegun(0, "f"), CallArguments(0, '{"a')]
    assert reader.feed('": "x') == [CallArguments(0, '": "x')]
    assert reader.feed('"}}</tool_call>') == [CallArguments(0, '"}')]


def test_text_that_may_become_a_mark_is_held_back_and_no_other() -> None:
    """A reader of the stream sees the rest at once."""
    reader = FAMILIES["hermes"].reader(NAMES)
    assert reader.feed("a <tool") == [Said("a ")]
    assert reader.feed("box> b") == [Said("<toolbox> b")]


def test_arguments_that_break_end_the_call() -> None:
    """What was passed on stays; the rest is text."""
    pieces = read("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1]}</tool_call>')
    assert pieces == [CallBegun(0, "f"), CallArguments(0, '{"a": 1'), Said("]}</tool_call>")]


def test_arguments_that_never_end_stop_at_the_bound() -> None:
    """L6: 128 KiB a call."""
    text = '<tool_call>{"name": "f", "arguments": {"a": "' + "x" * (2 * LONGEST_ARGUMENTS)
    begun, arguments, rest = read("hermes", text)
    assert (begun, len(arguments.text)) == (CallBegun(0, "f"), LONGEST_ARGUMENTS)
    assert len(rest.text) == len(text) - text.index('{"a"') - LONGEST_ARGUMENTS


@pytest.mark.parametrize("most", [1, MOST_CALLS])
def test_calls_beyond_the_most_are_left_out(most: int) -> None:
    """One when the client wants no parallel calls, 64 in any case."""
    pieces = read("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>' * (MOST_CALLS + 5), most=most)
    assert [piece.index for piece in pieces if isinstance(piece, CallBegun)] == list(range(most))
    assert len(pieces) == 2 * most


def test_pythonic_values_become_json() -> None:
    """Literals of Python, and JSON's own words for three of them."""
    call = "[f(s='it\\'s', e='\\ud83d\\ude00', n=None, t=True, l=[1, -2.5, (3,)], d={'k': null}, x=true, u='é')]"
    (_, arguments) = read("pythonic", call)
    assert json.loads(arguments.text) == {
        "s": "it's",
        "e": "\N{GRINNING FACE}",
        "n": None,
        "t": True,
        "l": [1, -2.5, [3]],
        "d": {"k": None},
        "x": True,
        "u": "é",
    }
