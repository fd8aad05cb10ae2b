"""Whether every rule of an EBNF grammar that an answer may need can come to an end.

A grammar such as `root ::= "a" root` compiles, and an answer to it never ends; after `root ::= "a" rest` with
`rest ::= rest` no token is allowed at all, and what comes then is noise. Only the outline is read here: names, quotes,
brackets, groups, alternatives and repetitions, as in xgrammar's form of GBNF. What is wrong in it the compiler says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from argosy.core.errors import InvalidRequest
from argosy.engines.text.endings import Endings

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*|\(=)   # white space, comments; what a rule looks ahead for is read as a part of it
      | (?P<text>"(?:\\.|[^"\\\n])*"|\[(?:\\.|[^\]\\])*\])
      | (?P<name>[A-Za-z_][\w.-]*)
      | (?P<define>::=)
      | (?P<repeat>[*+?]|\{[\d\s,]*\})
      | (?P<mark>[()|])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_DEEPEST = 64
"""Groups within groups."""
Word = tuple[str, str]


def check_grammar(text: str) -> None:
    """Refuse a grammar with a rule that is used and cannot end, or without the rule `root`.

    Raises:
        InvalidRequest: with the param "constraint"; the message names the rule.
    """
    rules = dict(_rules(text))
    if "root" not in rules:
        raise _refused("The grammar has no rule 'root'; define it with 'root ::= …'.")
    endings = Endings()
    things = {name: endings.reserve() for name in rules}
    used: dict[str, set[str]] = {}
    for name, words in rules.items():
        reader = _Reader(words, things, endings)
        endings.equate(things[name], reader.alternatives())
        used[name] = reader.used
    ends = endings.solve()
    for name in sorted(_reached(used)):
        if not ends[things[name]]:
            raise _refused(f"The rule {name!r} of the grammar needs itself without end; give it a way to end.")


class _Reader:
    """Reads one rule's right side."""

    def __init__(self, words: list[Word], things: dict[str, int], endings: Endings) -> None:
        self._words = [*words, ("end", "")]
        self._place = 0
        self._depth = 0
        self._things = things
        self._endings = endings
        self.used: set[str] = set()

    def alternatives(self) -> int:
        """One thing for `a b | c`, up to a closing parenthesis or the end."""
        ways = [self._sequence()]
        while self._words[self._place] == ("mark", "|"):
            self._place += 1
            ways.append(self._sequence())
        return self._endings.some(ways)

    def _sequence(self) -> int:
        parts: list[int] = []
        while True:
            kind, text = self._words[self._place]
            if kind == "end" or (kind == "mark" and text in "|)"):
                return self._endings.every(parts)
            self._place += 1
            if kind == "name":
                parts.append(self._named(text))
            elif kind == "mark":
                parts.append(self._group())
            elif kind == "repeat" and parts and _may_be_none(text):
                parts[-1] = self._endings.every(())

    def _named(self, name: str) -> int:
        if self._words[self._place] == ("mark", "("):
            # A macro of the compiler's, such as TagDispatch: it ends by itself, and may use rules.
            self._place += 1
            self._group()
            return self._endings.every(())
        if name not in self._things:
            return self._endings.every(())
        self.used.add(name)
        return self._things[name]

    def _group(self) -> int:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _refused(f"The grammar has groups nested deeper than {_DEEPEST}; name the inner ones as rules.")
        inner = self.alternatives()
        self._place += self._words[self._place] == ("mark", ")")
        self._depth -= 1
        return inner


def _rules(text: str) -> Iterator[tuple[str, list[Word]]]:
    """Each rule's name and the words of its right side."""
    words = [
        (str(match.lastgroup), match[0]) for match in _TOKEN.finditer(text) if match.lastgroup not in {"skip", "other"}
    ]
    defined = [place for place, (kind, _) in enumerate(words) if kind == "define"]
    starts = [place - 1 for place in defined if place and words[place - 1][0] == "name"]
    for start, end in pairwise([*starts, len(words)]):
        yield words[start][1], words[start + 2 : end]


def _reached(used: dict[str, set[str]]) -> set[str]:
    reached, waiting = {"root"}, ["root"]
    while waiting:
        new = used[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def _may_be_none(repeat: str) -> bool:
    return repeat in "*?" or re.match(r"\{\s*0*\s*[,}]", repeat) is not None


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="constraint")
