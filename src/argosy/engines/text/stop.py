"""Stop texts, found although they arrive in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopMatcher:
    """Ends an answer at the first stop text that is complete.

    The result does not depend on how the text is cut: the stop text that ends first wins, of two that end
    together the longer one. Only text that may still become a stop text is held back.

    Args:
        stops: texts that end the answer, none of them empty.
        include: leave the matched text in the answer.
    """

    __slots__ = ("_held", "_include", "_stops", "matched")

    def __init__(self, stops: Sequence[str], *, include: bool = False) -> None:
        self._stops = tuple(stops)
        self._include = include
        self._held = ""
        self.matched = False

    def push(self, text: str) -> str:
        """The part of the answer that is now certain; sets `matched` when a stop text is complete."""
        text = self._held + text
        match = self._first_match(text)
        if match is not None:
            begin, end = match
            self.matched, self._held = True, ""
            return text[: end if self._include else begin]
        keep = self._undecided(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back and, the answer being over, is part of it."""
        held, self._held = self._held, ""
        return held

    def _first_match(self, text: str) -> tuple[int, int] | None:
        found = [(begin + len(stop), begin) for stop in self._stops if (begin := text.find(stop)) >= 0]
        if not found:
            return None
        end, begin = min(found)
        return begin, end

    def _undecided(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop text begins."""
        longest = min(len(text), max(map(len, self._stops), default=1) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
