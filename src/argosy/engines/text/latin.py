"""Latin letters that the grammar compiler (xgrammar 0.1.31) reads back wrongly, and how to say the same without harm.

It writes what it has read as a grammar again: a character from U+0080 to U+00FF, or a control character, as `xHH` after
a backslash. When it reads that, it takes every hexadecimal digit that follows as a part of the number, so that "Über"
becomes something else. It is right where the next thing is no such digit: at the end of a literal that a set of
characters follows, in patterns of JSON strings, and in sets that have those characters last.
"""

from __future__ import annotations

import re

_LATIN = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]"
_HARM = re.compile(rf"{_LATIN}(?=[0-9A-Fa-f])")
_ONE = r"(?:\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|.)|[^\\])"
_CHARACTER = re.compile(_ONE, re.DOTALL)
_MEMBER = re.compile(rf"(?P<first>{_ONE})(?:-(?P<last>{_ONE}))?", re.DOTALL)
_SET = r"\[(?:\\.|[^\]\\])*\]"
_IN_GRAMMAR = re.compile(rf'\#[^\n]*|"(?:\\.|[^"\\\n])*"|{_SET}', re.DOTALL)
_IN_PATTERN = re.compile(rf"\\.|{_SET}", re.DOTALL)
_SPECIAL = frozenset("\\.^$|?*+()[]{}")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def harmed(text: str) -> bool:
    """Whether a literal of this text would become another."""
    return _HARM.search(text) is not None


def safe_grammar(grammar: str) -> str:
    """The same EBNF, with literals and sets that stay what they are."""
    return _IN_GRAMMAR.sub(lambda match: _safe_part(match[0]), grammar)


def safe_pattern(pattern: str) -> str:
    """The same regular expression, with sets that stay what they are."""
    return _IN_PATTERN.sub(lambda match: _safe_part(match[0]), pattern)


def as_pattern(text: str) -> str:
    """A regular expression that a text matches and nothing else does."""
    return "".join(_SHORT.get(c, f"\\{c}" if c in _SPECIAL else c) for c in text)


def _safe_part(part: str) -> str:
    if part.startswith("["):
        return _safe_set(part)
    return _safe_literal(part) if part.startswith('"') else part


def _safe_literal(literal: str) -> str:
    characters = [match[0] for match in _CHARACTER.finditer(literal[1:-1])]
    if not harmed("".join(_plain(character) for character in characters)):
        return literal
    apart = "".join(f'" [{c}] "' if re.fullmatch(_LATIN, _plain(c)) else c for c in characters)
    return f'("{apart}")'


def _safe_set(text: str) -> str:
    opening = "[^" if text.startswith("[^") else "["
    members = list(_MEMBER.finditer(text[len(opening) : -1]))
    if not harmed("".join(_plain(match["first"]) + _plain(match["last"] or "") for match in members)):
        return text
    members.sort(
        key=lambda match: (match[0] != "-", re.fullmatch(_LATIN, _plain(match["last"] or match["first"])) is not None)
    )
    return f"{opening}{''.join(match[0] for match in members)}]"


def _plain(character: str) -> str:
    """What a character or its escape stands for, as far as it matters here."""
    if len(character) < 2:
        return character
    digits = character[2:].strip("{}") if character[:2] in {"\\x", "\\u"} else ""
    if not digits:
        return "\\"
    code = int(digits, 16)
    return chr(code) if code <= 0x10FFFF else "\\"
