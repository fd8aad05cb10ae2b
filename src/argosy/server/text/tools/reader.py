"""What the readers of all families share: text in as it comes, pieces out as soon as they are certain.

A family is written as if it had the whole answer: a generator that takes one character at each `yield`. So the
pieces cannot depend on how the answer was cut into chunks, the cost is linear in its length, and nothing is looked
at twice. The end of the answer is the character `""`.

What a reader promises, whatever the text:

* it never raises, and every character is either part of a call or in a `Said`, except white space that stands
  between calls and where nothing else was said;
* what only looks like a call, or names a function that was not offered, is `Said` as it stands;
* arguments are passed on as the model wrote them, up to where they stop being JSON or to `LONGEST_ARGUMENTS`;
* calls beyond the most wanted are read and left out.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator
from itertools import count
from typing import ClassVar

from argosy.server.text.pieces import CallArguments, CallBegun, Piece, Said, joined

MOST_CALLS = 64
LONGEST_ARGUMENTS = 128 << 10
_LONGEST_NAME = 256
_DEEPEST = 64
_CLOSING = {"{": "}", "[": "]"}
_FIELDS = {"name": "name", "arguments": "arguments", "parameters": "arguments", "type": "type", "id": "id"}

Steps = Generator[None, str, None]
Reads = Generator[None, str, str]


class NotACallError(Exception):
    """The last character does not belong to a call; what was read since the last piece is text."""


class CallReader(ABC):
    """Finds the calls in one answer.

    Args:
        names: the functions that were offered.
        most: calls wanted; further ones are left out.
    """

    lead: ClassVar[str] = ""
    """The character with which a mark may begin anywhere; empty when calls only stand at the start."""
    first: ClassVar[str] = ""
    """The characters with which a call may begin at the start of the answer, without a mark."""

    def __init__(self, names: Collection[str], most: int = MOST_CALLS) -> None:
        self._names = frozenset(names)
        self._most = min(most, MOST_CALLS)
        self._calls = 0
        self._pieces: list[Piece] = []
        self._raw: list[str] = []
        self._blank = ""
        self._bare = True
        self._untouched = True
        self._run: Steps | None = None

    @property
    def called(self) -> bool:
        """Whether a call has begun."""
        return self._calls > 0

    def feed(self, text: str) -> list[Piece]:
        """The pieces that new text makes certain."""
        position = 0
        while position < len(text):
            if self._run is None:
                position = self._pass(text, position)
            elif self._step(text[position]):
                position += 1
        return self._taken()

    def finish(self) -> list[Piece]:
        """The pieces that the end of the answer makes certain."""
        if self._run is not None:
            self._step("")
        if self._blank and not self.called:
            self._pieces.append(Said(self._blank))
        self._blank = ""
        return self._taken()

    @abstractmethod
    def _read(self, lead: str, *, at_start: bool) -> Steps:
        """Read calls from their first character on.

        Args:
            lead: that character.
            at_start: nothing but white space stands before it.

        Raises:
            NotACallError: the character just taken is not part of a call.
        """

    def _pass(self, text: str, position: int) -> int:
        """Take text outside calls, up to where one may begin; returns the place after it."""
        if self._untouched:
            end = position
            while end < len(text) and text[end].isspace():
                end += 1
            if end > position:
                self._say(text[position:end])
                return end
            self._untouched = False
            if text[position] in self.first:
                return self._begin(text, position, at_start=True)
        place = text.find(self.lead, position) if self.lead else -1
        if place < 0:
            self._say(text[position:])
            return len(text)
        self._say(text[position:place])
        return self._begin(text, place, at_start=False)

    def _begin(self, text: str, position: int, *, at_start: bool) -> int:
        lead = text[position]
        self._raw.append(lead)
        self._run = self._read(lead, at_start=at_start)
        next(self._run)
        return position + 1

    def _step(self, char: str) -> bool:
        """Hand a character to the family; whether it took it."""
        assert self._run is not None  # noqa: S101 - the callers looked
        self._raw.append(char)
        try:
            self._run.send(char)
        except StopIteration:
            self._raw.clear()
            self._run = None
        except NotACallError:
            text = "".join(self._raw[:-1])
            self._raw.clear()
            self._run = None
            self._say(text)
            return False
        return True

    def _say(self, text: str) -> None:
        """Text of the answer; white space waits until something else is said."""
        if not text:
            return
        if self._bare:
            self._blank += text
            if text.isspace():
                return
            text, self._blank, self._bare = self._blank, "", False
        self._pieces.append(Said(text))

    def _taken(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return joined(pieces)

    def _call_begins(self, name: str) -> None:
        self._raw.clear()
        self._blank, self._bare = "", True
        if self._calls < self._most:
            self._pieces.append(CallBegun(self._calls, name))
        self._calls += 1

    def _argue(self, text: str) -> None:
        # The characters are in a piece now and must not be given back as text.
        self._raw.clear()
        if self._calls <= self._most:
            self._pieces.append(CallArguments(self._calls - 1, text))

    def _expect(self, text: str) -> Steps:
        for wanted in text:
            if (yield) != wanted:
                raise NotACallError

    def _gap(self) -> Reads:
        """The next character that is not white space."""
        while (char := (yield)).isspace():
            pass
        return char

    def _call(self, char: str) -> Steps:
        """A call as a JSON object with `name` and `arguments` (or `parameters`), from its first character on."""
        if char != "{":
            raise NotACallError
        fields: dict[str, str] = {}
        begun = False
        char = yield from self._gap()
        while char != "}":
            key = yield from self._key(char)
            char = yield from self._gap()
            if key in fields:
                raise NotACallError
            if key != "arguments":
                fields[key] = yield from self._string(char)
            elif "name" in fields and char == "{":
                begun = True
                self._call_begins(fields["name"])
                yield from self._object(char, self._argue)
                fields[key] = ""
            else:
                parts: list[str] = []
                yield from self._object(char, parts.append)
                fields[key] = "".join(parts)
            if key == "name" and fields[key] not in self._names:
                raise NotACallError
            char = yield from self._gap()
            if char == ",":
                char = yield from self._gap()
            elif char != "}":
                raise NotACallError
        if "name" not in fields:
            raise NotACallError
        if not begun:
            self._call_begins(fields["name"])
            self._argue(fields.get("arguments", "{}"))

    def _key(self, char: str) -> Reads:
        key = yield from self._string(char)
        if key not in _FIELDS or (yield from self._gap()) != ":":
            raise NotACallError
        return _FIELDS[key]

    def _string(self, char: str) -> Reads:
        """The value of a short JSON string, from its opening quote on."""
        if char != '"':
            raise NotACallError
        parts: list[str] = []
        escaped = False
        while (char := (yield)) != '"' or escaped:
            if char == "" or len(parts) == _LONGEST_NAME:
                raise NotACallError
            parts.append(char)
            escaped = char == "\\" and not escaped
        try:
            return str(json.loads(f'"{"".join(parts)}"', strict=False))
        except ValueError:
            raise NotACallError from None

    def _object(self, char: str, sink: Callable[[str], None]) -> Steps:
        """A JSON object, as text; brackets and strings are followed, the rest is taken as it comes."""
        if char != "{":
            raise NotACallError
        sink(char)
        closing = ["}"]
        quoted = escaped = False
        for length in count(2):
            char = yield
            if char == "" or length > LONGEST_ARGUMENTS:
                raise NotACallError
            if quoted:
                quoted = escaped or char != '"'
                escaped = char == "\\" and not escaped
            elif char == '"':
                quoted = True
            elif char in _CLOSING:
                closing.append(_CLOSING[char])
                if len(closing) > _DEEPEST:
                    raise NotACallError
            elif char in {"}", "]"} and char != closing.pop():
                raise NotACallError
            sink(char)
            if not closing:
                return
