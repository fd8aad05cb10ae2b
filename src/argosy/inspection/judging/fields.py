"""Strict reading of plain data: every refusal names the path of the value at fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from argosy.core.errors import InvalidRequest

_Choice = TypeVar("_Choice", bound=StrEnum)
_MOST_ENTRIES = 256
_MOST_KEY = 64
_KINDS: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}


@dataclass(frozen=True, slots=True)
class Field:
    """A value and where it stands, such as `rules[2].when.area_px`."""

    value: Any
    path: str = ""

    def refuse(self, message: str) -> InvalidRequest:
        """The error for this value; the message goes after its path."""
        return InvalidRequest(f"{self.path or 'The rule set'}: {message}", param=self.path or None)

    def record(self, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Field]:
        """A mapping with known keys; those that are not given are left out."""
        entries = self.entries()
        known = (*required, *optional)
        for key, entry in entries.items():
            if key not in known:
                raise entry.refuse(f"is not a known key. Use {_listed(known)}.")
        for key in required:
            if key not in entries:
                raise self.refuse(f"lacks {key!r}.")
        return entries

    def entries(self) -> dict[str, Field]:
        """A mapping with keys of the writer's own choice."""
        if not isinstance(self.value, dict):
            raise self._not("a mapping")
        if len(self.value) > _MOST_ENTRIES:
            raise self.refuse(f"has {len(self.value)} entries; {_MOST_ENTRIES} are allowed.")
        for key in self.value:
            if not isinstance(key, str):
                raise self.refuse(f"has a key that is {_kind(key)}; put it in quotes.")
            if not key.isprintable() or len(key) > _MOST_KEY:
                raise self.refuse(
                    f"has a key with more than {_MOST_KEY} characters, or with one that cannot be printed."
                )
        return {key: Field(value, f"{self.path}.{key}" if self.path else key) for key, value in self.value.items()}

    def items(self, least: int = 0, most: int = _MOST_ENTRIES) -> list[Field]:
        """A list of so many values."""
        if not isinstance(self.value, list):
            raise self._not("a list")
        if not least <= len(self.value) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            entries = "1 entry" if len(self.value) == 1 else f"{len(self.value)} entries"
            raise self.refuse(f"has {entries}; {wanted} are allowed.")
        return [Field(value, f"{self.path}[{index}]") for index, value in enumerate(self.value)]

    def names(self) -> list[Field]:
        """One text, or a list of at least one text."""
        fields = [self] if isinstance(self.value, str) else self.items(least=1)
        texts = [field.text() for field in fields]
        for index, text in enumerate(texts):
            if text in texts[:index]:
                raise fields[index].refuse(f"{text!r} is given twice.")
        return fields

    def number(self, least: float = -math.inf, most: float = math.inf) -> float:
        """A finite number within bounds."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._not("a number")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.refuse("must be a finite number.")
        if not least <= number <= most:
            wanted = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
            raise self.refuse(f"must be {wanted}; it is {number:g}.")
        # Minus zero would be written, and hashed, unlike zero.
        return number + 0.0

    def integer(self, least: int) -> int:
        """A whole number of at least so much."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self._not("a whole number")
        if not least <= self.value < 1 << 53:
            raise self.refuse(f"must be a whole number of at least {least}.")
        return self.value

    def text(self, most: int = 64) -> str:
        """Printable text without space around it."""
        if not isinstance(self.value, str):
            raise self._not("text")
        if not self.value or len(self.value) > most or self.value != self.value.strip():
            raise self.refuse(f"must be 1 to {most} characters with no space around them.")
        if not self.value.isprintable():
            raise self.refuse("must be one line of printable characters.")
        return self.value

    def choice(self, choices: type[_Choice], *allowed: _Choice) -> _Choice:
        """One of the words of an enumeration; of those in `allowed` where any is given."""
        words = [choice.value for choice in (allowed or choices)]
        if not isinstance(self.value, str) or self.value not in words:
            # YAML reads some bare words as something else.
            found = f"{self.value[:64]!r}" if isinstance(self.value, str) else _kind(self.value)
            raise self.refuse(f"must be {_listed(words, 'or')}; it is {found}.")
        return choices(self.value)

    def _not(self, wanted: str) -> InvalidRequest:
        return self.refuse(f"must be {wanted}; it is {_kind(self.value)}.")


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    return (
        "a mapping"
        if isinstance(value, dict)
        else _KINDS.get(type(value), "of another kind; put it in quotes if it is text")
    )


def _listed(words: Sequence[str], last: str = "and") -> str:
    quoted = [f"'{word}'" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"
