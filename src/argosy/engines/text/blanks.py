"""An answer that is to be JSON and has become nothing but white space."""

from __future__ import annotations

MOST_BLANKS = 128
"""Blanks in a row that an answer may hold: more than the deepest indentation allowed."""
_BLANKS = frozenset(" \t\n\r")


class BlankRun:
    """Counts white space between the parts of JSON.

    JSON may have any amount of it, and a grammar made from a schema allows that; a model that does not know what to
    write next may go on with blanks until its limit. White space inside JSON's strings is text and is not counted.

    Args:
        strings: whether the whole answer is JSON, so that its strings can be told; otherwise all blanks count.
    """

    __slots__ = ("_escaped", "_in_string", "_run", "_strings")

    def __init__(self, *, strings: bool) -> None:
        self._strings = strings
        self._in_string = self._escaped = False
        self._run = 0

    def too_long(self, text: str) -> bool:
        """Take the next piece of the answer; whether it holds the end of too long a run."""
        for character in text:
            if self._in_string:
                self._in_string = self._escaped or character != '"'
                self._escaped = character == "\\" and not self._escaped
            elif character in _BLANKS:
                self._run += 1
                if self._run > MOST_BLANKS:
                    return True
            else:
                self._run = 0
                self._in_string = self._strings and character == '"'
        return False
