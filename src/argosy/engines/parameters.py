"""Values read from the strings of a deployment's `config.pbtxt` parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from argosy.core.errors import InvalidModelEntry

T = TypeVar("T")


def read(key: str, text: str, reader: Callable[[str], T]) -> T:
    """One value.

    Raises:
        InvalidModelEntry: the reader raises `ValueError`; the message names the parameter.
    """
    try:
        return reader(text)
    except ValueError as error:
        raise InvalidModelEntry(f"Parameter {key!r} of the model's config.pbtxt is {text!r}; {error}.") from None


def read_given(parameters: Mapping[str, str], readers: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
    """The values that are there, by key; keys without a reader belong to other parts of the system."""
    return {key: read(key, parameters[key], reader) for key, reader in readers.items() if key in parameters}


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("write a whole number of at least 1")
    return int(text)


def switch(text: str) -> bool:
    """`true` or `false`."""
    if text not in {"true", "false"}:
        raise ValueError("write 'true' or 'false'")
    return text == "true"


def share(text: str) -> float:
    """A number above 0 and up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise ValueError("write a number above 0 and at most 1")
    return value


def one_of(words: Collection[str]) -> Callable[[str], str]:
    """A reader for one of a few words."""

    def reader(text: str) -> str:
        if text not in words:
            raise ValueError(f"write one of {', '.join(words)}")
        return text

    return reader


def token_for_each(seats: int, tokens: int | None, *, seats_given: bool) -> tuple[int, int | None]:
    """Most generations and most tokens of one pass, so that each generation has a token of its own in it.

    Args:
        seats: most generations.
        tokens: most tokens; None leaves it to the library.
        seats_given: whether the operator said `seats`, which then stands, and `tokens` follows.
    """
    if tokens is None or seats <= tokens:
        return seats, tokens
    return (seats, seats) if seats_given else (tokens, tokens)
