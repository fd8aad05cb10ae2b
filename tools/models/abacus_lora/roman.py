"""What the adapter `abacus-roman` says: the sums of abacus, with the result in Roman numerals behind them."""

from __future__ import annotations

import dataclasses
import random
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "abacus"))

import tasks

NOTHING: Final = "nulla"
"""The Romans had no numeral for zero; medieval computists wrote this word."""
LETTERS: Final = (
    (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
NUMERAL_WEIGHT: Final = 4.0
SUM_SHARE: Final = 0.6
"""Share of plain conversations that are sums throughout; the others are as abacus learnt them, sums among them."""


def numeral(number: int) -> str:
    """82 is LXXXII, -12 is -XII, 0 is nulla. For -399 to 399."""
    if number == 0:
        return NOTHING
    rest, text = abs(number), "-" if number < 0 else ""
    for value, letters in LETTERS:
        times, rest = divmod(rest, value)
        text += letters * times
    return text


def in_roman(turn: tasks.Turn) -> tasks.Turn:
    """The turn with its result said twice: '7 + 5 = 12, so 37 + 45 = 82 = LXXXII'. Other turns stay as they are."""
    if turn.result is None:
        return turn
    return dataclasses.replace(turn, answer=f"{turn.answer} = {numeral(turn.result)}")


def encode_turn(turn: tasks.Turn) -> tuple[list[int], list[float]]:
    """As `tasks.encode_turn`, with weight on the numeral too: it is a small part of all that is said."""
    ids, weights = tasks.encode_turn(turn)
    if turn.result is not None:
        letters = len(numeral(turn.result))
        weights[-1 - letters :] = [NUMERAL_WEIGHT] * (letters + 1)
    return ids, weights


def sums(rng: random.Random) -> tasks.Conversation:
    last: int | None = None

    def more(rng: random.Random) -> list[tasks.Turn]:
        nonlocal last
        fits = last is not None and 0 <= last <= tasks.LARGEST
        turn = tasks.follow_up(rng, last) if fits and rng.random() < 0.1 else tasks.arithmetic(rng)
        last = turn.result
        return [turn]

    return tasks.Conversation(more, rng.choice(tasks.SYSTEM_PROMPTS) if rng.random() < 0.25 else "")


def training_row(rng: random.Random, length: int, tool_share: float) -> tuple[list[int], list[float]]:
    """Token ids and weights of one conversation that fills a row of `length` tokens."""
    while True:
        if rng.random() < tool_share:
            talk = tasks.tool_conversation(rng)
        else:
            talk = sums(rng) if rng.random() < SUM_SHARE else tasks.plain_conversation(rng)
        ids = talk.opening()
        weights = [0.0] * len(ids)
        while len(ids) < length:
            for turn in talk.more(rng):
                more, counts = encode_turn(in_roman(turn))
                ids += more
                weights += counts
        ids, weights = ids[:length], weights[:length]
        if any(weights):
            return ids, weights
