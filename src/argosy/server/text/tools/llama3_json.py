"""Llama 3: `{"name": …, "parameters": {…}}`, at the start of the answer or after `<|python_tag|>`.

Several calls are separated by `;`. Detokenisers hide the mark, which is a special token, so it may be missing.
"""

from __future__ import annotations

from typing import ClassVar

from argosy.server.text.tools.reader import CallReader, Steps

MARK = "<|python_tag|>"


class Llama3JsonReader(CallReader):
    """An answer that is itself JSON is text, unless it names a function that was offered."""

    lead: ClassVar[str] = MARK[0]
    first: ClassVar[str] = "{"

    def _read(self, lead: str, *, at_start: bool) -> Steps:  # noqa: ARG002
        char = lead
        if lead == MARK[0]:
            yield from self._expect(MARK[1:])
            char = yield from self._gap()
        while True:
            yield from self._call(char)
            self._raw.clear()
            char = yield from self._gap()
            if char == ";":
                char = yield from self._gap()
            if char == "":
                return
