"""Regular expressions that an answer can be held to, checked without compiling them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from argosy.core.errors import InvalidRequest

MOST_CHARACTERS = 4096

_ESCAPED_OR_GROUP = re.compile(r"\\(?P<escaped>.)|(?P<group>\(\?(?:<?[=!]|P))", re.DOTALL)
_NO_LANGUAGE = {
    "b": "a word boundary",
    "B": "a word boundary",
    "k": "a back reference",
    **dict.fromkeys("123456789", "a back reference"),
}

Range = tuple[int, int]
_LAST = 0x10FFFF
_NEVER_RAW: Sequence[Range] = ((0, 0x1F), (ord('"'), ord('"')), (ord("\\"), ord("\\")))
"""Characters that stand in a JSON string as an escape only."""
_SETS: dict[str, Sequence[Range]] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0D), (0x20, 0x20)),
}
_OTHER_SPACES: Sequence[Range] = (
    *((code, code) for code in (0xA0, 0x1680, 0x202F, 0x205F, 0x3000, 0xFEFF)),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
)
"""White space to some readers of patterns and not to others: neither inside nor outside of it."""
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0", "a": "\a", "e": "\x1b"}
_JSON_ESCAPES = {'"': r"(\\\")", "\\": r"(\\\\)", "\n": r"(\\n)", "\r": r"(\\r)", "\t": r"(\\t)", "\f": r"(\\f)"}
_ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|.)"
_PIECE = re.compile(rf"(?P<set>\[(?:{_ESCAPE}|[^\]\\])*\])|(?P<escape>{_ESCAPE})|(?P<other>.)", re.DOTALL)
_MEMBER = re.compile(rf"{_ESCAPE}|.", re.DOTALL)


def check_pattern(pattern: object) -> None:
    """Refuse a pattern that is too long or looks around itself, which no grammar can.

    Raises:
        InvalidRequest: with the param "constraint".
    """
    if not isinstance(pattern, str) or not pattern:
        raise _refused("A regular expression must be a text that is not empty.")
    if len(pattern) > MOST_CHARACTERS:
        raise _refused(
            f"The regular expression has {len(pattern)} characters and may have {MOST_CHARACTERS}; make it shorter."
        )
    for match in _ESCAPED_OR_GROUP.finditer(pattern):
        what = "a look-around" if match["group"] else _NO_LANGUAGE.get(match["escaped"])
        if match["group"] == "(?P":
            what = "a named group"
        if what is not None:
            raise _refused(f"The regular expression has {what} ({match[0]!r}), which cannot be enforced.")


def json_string_pattern(pattern: str) -> str:
    """A pattern for what stands between the quotes of a JSON string whose value matches `pattern`.

    The compiler puts a pattern between quotes as it is; what the pattern allows could end the string or break it. Here
    a quote, a backslash and a line break are escaped, and sets of characters lose what JSON has to escape. The result
    may allow less than `pattern`, never more.

    Raises:
        InvalidRequest: a control character without a short escape, or a set of nothing else.
    """
    return "".join(_inside_string(match) for match in _PIECE.finditer(pattern))


def _inside_string(match: re.Match[str]) -> str:
    text = match[0]
    if match["set"]:
        negated = text.startswith("[^")
        members = _members(text[2 if negated else 1 : -1])
        return _written(_complement(members) if negated else members)
    if match["escape"]:
        name = text[1]
        if name.lower() in _SETS:
            return _written(_named(name))
        return _literal(_character(text), text)
    if text == ".":
        return _written([(0, _LAST)])
    return _literal(text, text)


def _literal(character: str, text: str) -> str:
    if character in _JSON_ESCAPES:
        return _JSON_ESCAPES[character]
    if ord(character) < 0x20:
        raise _refused(f"The regular expression has the control character {character!r}; leave it out.")
    return text


def _character(escape: str) -> str:
    digits = escape[2:].strip("{}")
    if digits:
        value = int(digits, 16)
        if value > _LAST:
            raise _refused(f"The regular expression has {escape!r}, which is no character.")
        return chr(value)
    return _CONTROLS.get(escape[1], escape[1])


def _members(text: str) -> list[Range]:
    """The characters of a set, written between its brackets."""
    members: list[Range] = []
    words = [match[0] for match in _MEMBER.finditer(text)]
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if len(word) == 2 and word[1].lower() in _SETS:
            members += _named(word[1])
            continue
        first = last = ord(_character(word) if len(word) > 1 else word)
        if place + 1 < len(words) and words[place] == "-":
            end = words[place + 1]
            last = ord(_character(end) if len(end) > 1 else end)
            place += 2
        members.append((first, last))
    return members


def _named(name: str) -> list[Range]:
    """The characters that a letter behind a backslash stands for."""
    inside = _SETS[name.lower()]
    if not name.isupper():
        return [*inside]
    return _complement([*inside, *_OTHER_SPACES] if name == "S" else inside)


def _complement(ranges: Iterable[Range]) -> list[Range]:
    left, begin = [], 0
    for first, last in sorted(ranges):
        if first > begin:
            left.append((begin, first - 1))
        begin = max(begin, last + 1)
    return [*left, (begin, _LAST)] if begin <= _LAST else left


def _written(members: Iterable[Range]) -> str:
    """A set of characters that may stand in a JSON string as they are."""
    ranges = _complement([*_complement(members), *_NEVER_RAW])
    if not ranges:
        raise _refused("A set of the regular expression has only characters that JSON escapes; leave it out.")
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return f"\\u{{{ranges[0][0]:x}}}"
    # The compiler reads a caret at the beginning as a negation, however it is written.
    ranges = [part for whole in ranges for part in _around_caret(whole)]
    ranges.sort(key=lambda part: part[0] == ord("^"))
    return "[" + "".join(f"\\u{{{first:x}}}-\\u{{{last:x}}}" for first, last in ranges) + "]"


def _around_caret(whole: Range) -> list[Range]:
    first, last = whole
    if first != ord("^") or first == last:
        return [whole]
    return [(first + 1, last), (first, first)]


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="constraint")
