"""Hermes and Qwen: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, one pair of marks a call."""

from __future__ import annotations

from typing import ClassVar

from argosy.server.text.tools.reader import CallReader, NotACallError, Steps

OPENING = "<tool_call>"
CLOSING = "</tool_call>"


class HermesReader(CallReader):
    """Calls may stand anywhere; an answer that ends within the closing mark still has its call."""

    lead: ClassVar[str] = OPENING[0]

    def _read(self, lead: str, *, at_start: bool) -> Steps:  # noqa: ARG002
        yield from self._expect(OPENING[1:])
        char = yield from self._gap()
        yield from self._call(char)
        self._raw.clear()
        char = yield from self._gap()
        for wanted in CLOSING:
            if char == "":
                return
            if char != wanted:
                raise NotACallError
            if wanted != CLOSING[-1]:
                char = yield
