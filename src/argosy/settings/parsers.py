"""From text to a setting's value, and the JSON Schema of what may be given.

Each parser raises `ValueError` that says what was expected.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from argosy.core.memory import MemoryAmount
from argosy.settings.secret import Secret

Value = TypeVar("Value")
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Parser(Generic[Value]):
    """Reads the text of a flag, a variable or a file.

    Attributes:
        read: text to value; raises `ValueError`.
        schema: JSON Schema (draft 2020-12) of the value in its JSON form.
    """

    read: Callable[[str], Value]
    schema: Mapping[str, Any]

    def __call__(self, raw: str) -> Value:
        """The value.

        Raises:
            ValueError: says what was expected.
        """
        return self.read(raw)


def integer(lowest: int, highest: int) -> Parser[int]:
    """A whole number in the closed range."""
    return _within(int, lowest, highest, "a whole number", "integer")


def seconds(lowest: float, highest: float) -> Parser[float]:
    """A number of seconds in the closed range."""
    return _within(float, lowest, highest, "a number of seconds", "number", " seconds")


def fraction() -> Parser[float]:
    """A share of a whole, above 0 and up to 1."""

    def parse(raw: str) -> float:
        value = _within(float, 0.0, 1.0, "a number from 0 to 1", "number")(raw)
        if value == 0:
            raise ValueError("expected a number above 0 and up to 1, got 0")
        return value

    return Parser(parse, {"type": "number", "exclusiveMinimum": 0, "maximum": 1})


def choice(*words: str) -> Parser[str]:
    """One of some words, in any case of letters."""

    def parse(raw: str) -> str:
        word = raw.strip().lower()
        if word not in words:
            raise ValueError(f"expected one of {', '.join(words)}, got {raw!r}")
        return word

    return Parser(parse, {"enum": [*words]})


def _within(
    read: Callable[[str], Number], lowest: Number, highest: Number, kind: str, schema_type: str, unit: str = ""
) -> Parser[Number]:
    def parse(raw: str) -> Number:
        try:
            value = read(raw)
        except ValueError:
            raise ValueError(f"expected {kind}, got {raw!r}") from None
        # A comparison with NaN is false, so it is refused too.
        if not lowest <= value <= highest:
            raise ValueError(f"expected {lowest:.15g} to {highest:.15g}{unit}, got {value:.15g}")
        return value

    return Parser(parse, {"type": schema_type, "minimum": lowest, "maximum": highest})


def _switch(raw: str) -> bool:
    word = raw.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError(f"expected true or false, got {raw!r}")


_LEVELS = ("debug", "info", "warning", "error", "critical")


def _level(raw: str) -> str:
    word = raw.strip().lower()
    aliases = {"default": "info", "trace": "debug", "warn": "warning", "fatal": "critical", "": "info"}
    return choice(*_LEVELS)(aliases.get(word, word))


def _path(raw: str) -> Path:
    if not raw:
        raise ValueError("expected a path, got an empty text")
    return Path(raw).expanduser()


def _paths(raw: str) -> tuple[Path, ...]:
    return tuple(_path(part) for part in raw.split(os.pathsep) if part)


def _words(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _secrets(raw: str) -> tuple[Secret, ...]:
    return tuple(Secret(part) for part in _words(raw))


_PATH = {"type": "string", "format": "path"}

text = Parser(str, {"type": "string"})
switch = Parser(_switch, {"type": "boolean"})
level = Parser(_level, {"enum": [*_LEVELS]})
path = Parser(_path, _PATH)
paths = Parser(_paths, {"type": "array", "items": _PATH})
words = Parser(_words, {"type": "array", "items": {"type": "string"}})
memory = Parser(MemoryAmount.parse, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*([KMGTkmgt]?[iI]?[bB]?|%)$"})
secret = Parser(Secret, {"type": "string", "writeOnly": True})
secrets = Parser(_secrets, {"type": "array", "items": {"type": "string", "writeOnly": True}})
