"""The outline of a `config.pbtxt` that somebody else wrote: its top-level fields and its texts.

Source: protobuf's text format specification. Escapes and texts made of several pieces are legal there and refused
here: no config needs them, and both can hide a word from a check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from argosy.core.errors import InvalidModelEntry

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]* | (?P<text>"[^"\\\n]*"|'[^'\\\n]*') | (?P<word>[A-Za-z_]\w*) | (?P<number>[-+]?[\d.][\w.+-]*)
    | (?P<mark>[{}\[\]<>:;,])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Outline:
    """What stands in a config.

    Attributes:
        fields: names of the top-level fields, in order, repeats included.
        texts: every quoted text, at any depth.
        backend: the value of the top-level `backend`, or None.
    """

    fields: tuple[str, ...]
    texts: frozenset[str]
    backend: str | None


def read_outline(text: str) -> Outline:
    """The outline of a config.

    Raises:
        InvalidModelEntry: the text is not text format, or uses escapes or adjoining texts.
    """
    fields: list[str] = []
    texts: set[str] = set()
    backend: str | None = None
    depth = 0
    previous = before = ""
    for kind, token in _tokens(text):
        if kind == "mark":
            depth += {"{": 1, "[": 1, "<": 1, "}": -1, "]": -1, ">": -1}.get(token, 0)
        elif kind == "word" and depth == 0 and previous != ":":
            fields.append(token)
        elif kind == "text":
            if previous == "text":
                raise InvalidModelEntry("config.pbtxt has a text made of several pieces; write it as one.")
            texts.add(token[1:-1])
            if depth == 0 and (before, previous) == ("backend", ":"):
                backend = token[1:-1]
        before, previous = previous, kind if kind == "text" else token
    if depth != 0:
        raise InvalidModelEntry("config.pbtxt has brackets that do not match.")
    return Outline(tuple(fields), frozenset(texts), backend)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise InvalidModelEntry(f"config.pbtxt, line {line}: unexpected {text[at]!r}; escapes are not allowed.")
        if match.lastgroup is not None:
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return found
