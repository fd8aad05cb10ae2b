"""Answers that begin with a thought: `<think>…</think>`, split as they grow.

Models either write the opening mark themselves or find it at the end of their prompt, because the template puts it
there. White space around the marks belongs to neither part.
"""

from __future__ import annotations

from argosy.server.text.pieces import Piece, Said, Thought

OPENING = "<think>"
CLOSING = "</think>"

FAMILIES = frozenset({"deepseek_r1", "qwen3"})
"""Values of `generate.reasoning_parser`; they differ in their templates, not in their marks."""


def opened_by(prompt: str) -> bool:
    """Whether the prompt ends inside a thought."""
    return prompt.rstrip().endswith(OPENING)


def closed_by(prompt: str) -> bool:
    """Whether the prompt ends with a thought that is over, as templates write it to forbid thinking."""
    return prompt.rstrip().endswith(CLOSING)


class ThoughtReader:
    """Splits one answer.

    Args:
        opened: the prompt holds the opening mark already.
    """

    def __init__(self, *, opened: bool) -> None:
        self._thinking = opened
        self._undecided = not opened
        self._started = False
        self._held = ""

    def feed(self, text: str) -> list[Piece]:
        """The pieces that new text makes certain."""
        if not self._undecided and not self._thinking:
            return self._said(text)
        self._held += text
        if self._undecided and not self._decided():
            return []
        return self._thought() if self._thinking else self._release()

    def finish(self) -> list[Piece]:
        """The pieces that the end of the answer makes certain."""
        held, self._held = self._held, ""
        if self._thinking:
            held = held.rstrip()
            return [Thought(held)] if held else []
        return [Said(held)] if held else []

    def _decided(self) -> bool:
        """Whether the answer's first characters tell if it begins with a thought."""
        start = self._held.lstrip()
        if start.startswith(OPENING):
            self._held = start.removeprefix(OPENING)
            self._thinking = True
        elif OPENING.startswith(start):
            return False
        else:
            # It does not: what was held is the answer as it stands.
            self._started = True
        self._undecided = False
        return True

    def _thought(self) -> list[Piece]:
        text, mark, rest = self._held.partition(CLOSING)
        if not self._started:
            text = text.lstrip()
        if mark:
            self._thinking, self._started, self._held = False, False, ""
            text = text.rstrip()
            return [*([Thought(text)] if text else []), *self._said(rest)]
        certain = text[: len(text) - _prefix(text)].rstrip()
        self._held = text[len(certain) :]
        self._started = self._started or bool(certain)
        return [Thought(certain)] if certain else []

    def _release(self) -> list[Piece]:
        held, self._held = self._held, ""
        return self._said(held)

    def _said(self, text: str) -> list[Piece]:
        if not self._started:
            text = text.lstrip()
            self._started = bool(text)
        return [Said(text)] if text else []


def _prefix(text: str) -> int:
    """The length of the longest end of `text` with which the closing mark may begin."""
    longest = min(len(text), len(CLOSING) - 1)
    return next((length for length in range(longest, 0, -1) if CLOSING.startswith(text[-length:])), 0)
