"""A pattern for a JSON string's value becomes one for what stands between its quotes."""

from __future__ import annotations

import json
import re

import pytest

from argosy.core.errors import InvalidRequest
from argosy.engines.text.patterns import json_string_pattern

PIECES = [
    *(".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[a-z]", "[^a-z]", r"[^\s\d]", "[!-~]", r"[\s\w]", r"[\W\d]"),
    *('"', r"\\", r"\n", r"\x41", r"\u00e9", r"[+\-]", "(a|b)", "x", "é", "🙂", r"\^", r"[\]\[]", "[a-]", "a{2}"),
    *(r"[\^-`]", r"[\^]", "[^^]", r"[^\x00-\x7f]", '["a]', r"[\u0100-\u0200^]"),
]
CHARACTERS = [*map(chr, range(0x300)), *"日\u2028\ufffd🙂"]


def as_python(pattern: str) -> str:
    """The compiler's spelling of a code point, in that of Python's `re`."""
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: f"\\U{int(found[1], 16):08x}", pattern)


@pytest.mark.parametrize("pattern", PIECES)
def test_what_it_allows_is_a_string_that_matches(pattern: str) -> None:
    """Whatever the new pattern allows between quotes is JSON, and its value matches the old one."""
    exact = re.compile(as_python(json_string_pattern(pattern)))
    written = [form for c in CHARACTERS for form in (c, 2 * c, json.dumps(c, ensure_ascii=False)[1:-1])]
    allowed = [form for form in written if exact.fullmatch(form)]
    assert allowed
    for form in allowed:
        assert re.fullmatch(pattern, json.loads(f'"{form}"'), re.ASCII)


def test_pieces_are_put_together_again() -> None:
    """Groups, repetitions, alternatives and anchors stay where they are."""
    assert json_string_pattern(r"^(a|b)+x{2,3}\-(?:é)?$") == r"^(a|b)+x{2,3}\-(?:é)?$"
    assert json_string_pattern(r'"[a-c]"*') == r"(\\\")[\u{61}-\u{63}](\\\")*"


@pytest.mark.parametrize(
    ("pattern", "value"), [("[a-c]{2}", "ab"), (".", "é"), (r"[^\d]", "x"), ('"', '"'), (r"\\", "\\"), ("[ -~]", "~")]
)
def test_values_without_escapes_stay_allowed(pattern: str, value: str) -> None:
    """Nothing is lost but what JSON has to escape."""
    assert re.fullmatch(as_python(json_string_pattern(pattern)), json.dumps(value, ensure_ascii=False)[1:-1])


@pytest.mark.parametrize("pattern", ["\x01", r"\x01", r"[\"\\]", r"\u{110000}"])
def test_refuses_what_json_cannot_hold(pattern: str) -> None:
    """A control character without an escape, or a set of escaped characters only, is `InvalidRequest`."""
    with pytest.raises(InvalidRequest):
        json_string_pattern(pattern)
