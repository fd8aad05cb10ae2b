"""Pairs tokens' log-probabilities with the text that shows them."""

from __future__ import annotations

from collections import deque

from argosy.engines.contract import TokenLogprob

LEAST = -9999.0
"""Stands for a probability of zero, which JSON has no number for."""


class LogprobQueue:
    """Tokens whose text is still to come.

    Text may come later than its token: a character's last byte is missing, or a stop text may begin there. A token is
    due when the character at which its text begins is shown.
    """

    __slots__ = ("_decoded", "_shown", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, TokenLogprob]] = deque()
        self._decoded = 0
        self._shown = 0

    def add(self, token: bytes, logprob: float, text: str, top: tuple[TokenLogprob, ...] = ()) -> None:
        """Take a token, the text that the detokeniser gave for it, and the likeliest tokens at its place."""
        self._waiting.append((self._decoded, TokenLogprob(token, max(LEAST, logprob), top)))
        self._decoded += len(text)

    def show(self, text: str) -> tuple[TokenLogprob, ...]:
        """The tokens that the next piece of the answer begins to show."""
        self._shown += len(text)
        shown = []
        while self._waiting and self._waiting[0][0] < self._shown:
            shown.append(self._waiting.popleft()[1])
        return tuple(shown)

    def rest(self) -> tuple[TokenLogprob, ...]:
        """What is left when the answer ends without a stop text: tokens without text, or with a part of a character."""
        rest = tuple(token for _, token in self._waiting)
        self._waiting.clear()
        return rest
