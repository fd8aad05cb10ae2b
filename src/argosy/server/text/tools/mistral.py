"""Mistral: `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`.

Detokenisers hide the mark, which is a special token, so a bare list at the start of the answer counts as well.
"""

from __future__ import annotations

from typing import ClassVar

from argosy.server.text.tools.reader import CallReader, NotACallError, Steps

MARK = "[TOOL_CALLS]"


class MistralReader(CallReader):
    """A list of calls that nothing closes still has those that are whole, and the beginning of the last."""

    lead: ClassVar[str] = MARK[0]
    first: ClassVar[str] = MARK[0]

    def _read(self, lead: str, *, at_start: bool) -> Steps:  # noqa: ARG002
        char = yield from self._gap()
        if char == MARK[1]:
            yield from self._expect(MARK[2:])
            if (yield from self._gap()) != "[":
                raise NotACallError
            char = yield from self._gap()
        elif not at_start:
            raise NotACallError
        if char == "":
            raise NotACallError
        while char != "":
            yield from self._call(char)
            self._raw.clear()
            char = yield from self._gap()
            if char == "]":
                return
            if char not in {",", ""}:
                raise NotACallError
            char = yield from self._gap()
