"""What an answer is made of, piece by piece as it grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """Text for the reader of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Text the model wrote for itself before it answered."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The model calls a function; its arguments follow.

    Attributes:
        index: place of the call in the answer, from 0.
    """

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of a call's arguments, JSON text as the model wrote it."""

    index: int
    text: str


Piece = Said | Thought | CallBegun | CallArguments


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same pieces, neighbours of one kind and call made one."""
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if isinstance(piece, Said) and isinstance(last, Said):
            found[-1] = Said(last.text + piece.text)
        elif isinstance(piece, Thought) and isinstance(last, Thought):
            found[-1] = Thought(last.text + piece.text)
        elif isinstance(piece, CallArguments) and isinstance(last, CallArguments) and piece.index == last.index:
            found[-1] = CallArguments(piece.index, last.text + piece.text)
        else:
            found.append(piece)
    return found
