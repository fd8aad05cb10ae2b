"""Constraints checked without compiling them, cheaply enough for a gateway; imports no engine's library.

What passes here may still be refused by the engine, which compiles it: see `argosy.engines.contract`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from argosy.engines.contract import Constraint, ConstraintKind
from argosy.engines.text.grammars import check_grammar
from argosy.engines.text.latin import as_pattern, harmed, safe_grammar, safe_pattern
from argosy.engines.text.patterns import check_pattern
from argosy.engines.text.schema_words import refused
from argosy.engines.text.schemas import check_schema

MOST_BYTES = 1 << 16
MOST_CHOICES = 1024

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SEVERAL = {"sequence": "elements", "or": "elements", "triggered_tags": "tags", "tags_with_separator": "tags"}
"""Formats of a structural tag made of others, and the field that has these."""
_DEEPEST = 16


def check_constraint(constraint: Constraint) -> None:
    """Refuse what can be seen to be wrong, too large, endless or impossible to enforce.

    Raises:
        InvalidRequest: with the param "constraint"; the message says what to change.
    """
    try:
        size = len(constraint.text.encode())
    except UnicodeEncodeError:
        raise refused("The constraint has lone surrogates and is no UTF-8; remove them.") from None
    if not 0 < size <= MOST_BYTES:
        raise refused(f"The constraint has {size} bytes; it must have 1 to {MOST_BYTES}.")
    _CHECKS[constraint.kind](constraint.text)


def enforceable(constraint: Constraint) -> Constraint:
    """The same constraint in words that the compiler enforces to the letter.

    Raises:
        InvalidRequest: as for `check_constraint`.
    """
    check_constraint(constraint)
    if constraint.kind is ConstraintKind.JSON_SCHEMA:
        value = _checked_schema(constraint.text)
    elif constraint.kind is ConstraintKind.STRUCTURAL_TAG:
        value = _checked_tag(constraint.text)
    else:
        safe = safe_grammar if constraint.kind is ConstraintKind.EBNF else safe_pattern
        return Constraint(constraint.kind, safe(constraint.text))
    return Constraint(constraint.kind, json.dumps(value, ensure_ascii=False))


def choice_grammar(choices: Sequence[str]) -> Constraint:
    """The constraint that an answer is one of `choices`, to the letter.

    Raises:
        InvalidRequest: there is none, one is empty, or there are too many or too long ones; the param is "constraint".
    """
    if not 0 < len(choices) <= MOST_CHOICES:
        raise refused(f"There are {len(choices)} choices; give 1 to {MOST_CHOICES}.")
    if not all(choices):
        raise refused("A choice is empty; leave it out.")
    if any("\0" in choice for choice in choices):
        raise refused("A choice has the character U+0000, which no grammar can express; leave it out.")
    texts = " | ".join(f'"{_escaped(choice)}"' for choice in dict.fromkeys(choices))
    constraint = Constraint(ConstraintKind.EBNF, f"root ::= {texts}")
    check_constraint(constraint)
    return constraint


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c, c if c.isprintable() or ord(c) > 0xFF else f"\\x{ord(c):02x}") for c in text)


def _checked_schema(text: str) -> object:
    schema = _decoded(text, "JSON schema")
    check_schema(schema)
    return schema


def _checked_tag(text: str) -> object:
    tag = _decoded(text, "structural tag")
    if not isinstance(tag, dict) or tag.get("type") != "structural_tag" or "format" not in tag:
        raise refused('A structural tag must be an object with "type": "structural_tag" and a "format".')
    _check_format(tag["format"], 1)
    return tag


def _check_format(value: object, level: int) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise refused("Every format of a structural tag must be an object with a 'type'.")
    if level > _DEEPEST:
        raise refused(f"The structural tag is nested deeper than {_DEEPEST} levels; make it flatter.")
    kind = value["type"]
    if kind in {"json_schema", "qwen_xml_parameter"}:
        _check_inner(value, "json_schema", check_schema)
    elif kind == "regex":
        _check_inner(value, "pattern", check_pattern)
        value["pattern"] = safe_pattern(value["pattern"])
    elif kind == "grammar":
        _check_inner(value, "grammar", check_grammar)
        value["grammar"] = safe_grammar(value["grammar"])
    elif kind == "const_string" and isinstance(value.get("value"), str) and harmed(value["value"]):
        pattern = as_pattern(value["value"])
        value.clear()
        value.update(type="regex", pattern=pattern)
    elif kind == "tag":
        _check_format(value.get("content"), level + 1)
    elif kind in _SEVERAL:
        for inner in _formats(value, _SEVERAL[kind]):
            _check_format({"type": "tag", **inner} if _SEVERAL[kind] == "tags" else inner, level + 1)


def _check_inner(value: Mapping[str, Any], field: str, check: Callable[[Any], None]) -> None:
    inner = value.get(field)
    if field == "json_schema" and inner is True:
        return
    if not isinstance(inner, dict if field == "json_schema" else str):
        raise refused(f"A format {value['type'][:40]!r} of the structural tag has no fitting {field!r}.")
    check(inner)


def _formats(value: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    formats = value.get(field)
    if not isinstance(formats, list) or not all(isinstance(inner, dict) for inner in formats):
        raise refused(f"A format {value['type'][:40]!r} of the structural tag needs a list of objects as {field!r}.")
    return formats


def _decoded(text: str, what: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise refused(f"The {what} is not JSON; correct its text.") from None
    return value


_CHECKS: Mapping[ConstraintKind, Callable[[str], object]] = {
    ConstraintKind.JSON_SCHEMA: _checked_schema,
    ConstraintKind.REGEX: check_pattern,
    ConstraintKind.EBNF: check_grammar,
    ConstraintKind.STRUCTURAL_TAG: _checked_tag,
}
