"""A schema without what cannot be enforced, for callers that would rather have most of it enforced than nothing.

`softened` leaves open single values only: an answer has every property and type that the schema asks for, and a bound
that no grammar can express is for the caller to check, who is told which. `relaxed` leaves open all that cannot be
enforced. Arguments of tools are such a case: their schemas say more than anybody checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argosy.core.errors import InvalidRequest
from argosy.engines.text.patterns import check_pattern, json_string_pattern
from argosy.engines.text.schema_words import (
    ABOUT_VALUES,
    ASSERTIONS,
    BESIDE_NAMES,
    BOUNDS,
    DECIDING,
    LENGTHS,
    NEED_A_TYPE,
    UNENFORCEABLE,
    list_at,
    object_at,
    types_of,
)

_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("prefixItems", "anyOf", "oneOf", "allOf")
_SINGLES = ("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems")
_DEEPEST = 64
"""Levels beyond which nothing is softened, because no check lets them pass."""


def softened(schema: Any) -> tuple[Any, list[str]]:
    """A copy of a schema that leaves open which of a kind's values no grammar can express.

    Those are bounds of numbers that need not be whole, `multipleOf`, `uniqueItems`, `contains`, patterns that look
    around themselves, all but one of `pattern`, `format` and lengths that stand together, and `propertyNames` beside
    other words about properties. What shapes an answer and cannot be enforced, such as `not`, stays, so that
    `check_schema` refuses it.

    Returns:
        The schema, and the keywords that it lost, sorted.

    Raises:
        InvalidRequest: a keyword holds what it must not; the param is "constraint".
    """
    lost: set[str] = set()
    return _softened(schema, lost, 1), sorted(lost)


def _softened(schema: Any, lost: set[str], level: int) -> Any:
    if not isinstance(schema, Mapping) or level > _DEEPEST:
        return schema
    kept = dict(schema)
    _drop(kept, ABOUT_VALUES)
    if "number" in types_of(kept):
        _drop(kept, BOUNDS)
    if "pattern" in kept and isinstance(kept["pattern"], str) and kept["pattern"] and not _can_be_said(kept["pattern"]):
        del kept["pattern"]
    if "pattern" in kept:
        _drop(kept, LENGTHS | {"format"})
    if "format" in kept:
        _drop(kept, LENGTHS)
    if kept.keys() & BESIDE_NAMES:
        _drop(kept, {"propertyNames"})
    lost |= schema.keys() - kept.keys()
    for key in _MAPS:
        if key in kept:
            kept[key] = {name: _softened(value, lost, level + 1) for name, value in object_at(kept, key).items()}
    for key in _LISTS:
        if key in kept:
            kept[key] = [_softened(value, lost, level + 1) for value in list_at(kept, key)]
    for key in _SINGLES:
        if key in kept:
            kept[key] = _softened(kept[key], lost, level + 1)
    return kept


def relaxed(schema: Any) -> Any:
    """A copy of a schema that leaves open what no grammar can express.

    What is no schema at all, too large or without a finite answer stays so: `check_schema` still has to look at it.

    Raises:
        InvalidRequest: a keyword holds what it must not; the param is "constraint".
        RecursionError: the schema is nested deeper than any parser would let pass.
    """
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: value for key, value in schema.items() if key not in UNENFORCEABLE and key != "propertyNames"}
    _decide(kept)
    _leave_open(kept)
    for key in _MAPS:
        if key in kept:
            kept[key] = {name: relaxed(value) for name, value in object_at(kept, key).items()}
    for key in _LISTS:
        if key in kept:
            kept[key] = [relaxed(value) for value in list_at(kept, key)]
    for key in _SINGLES:
        if key in kept:
            kept[key] = relaxed(kept[key])
    return kept


def _decide(schema: dict[str, Any]) -> None:
    """Keep what says most: properties before alternatives, and alternatives before what stands beside them."""
    if len(list_at(schema, "allOf")) > 1:
        del schema["allOf"]
    reference = schema.get("$ref")
    if reference is not None and not (isinstance(reference, str) and (reference == "#" or reference.startswith("#/"))):
        del schema["$ref"]
    if "properties" in schema:
        for key in DECIDING:
            schema.pop(key, None)
    deciding = next((key for key in DECIDING if key in schema), None)
    if deciding is not None:
        for key in (schema.keys() & ASSERTIONS) - DECIDING[deciding] - {deciding}:
            del schema[key]


def _leave_open(schema: dict[str, Any]) -> None:
    types = types_of(schema)
    if not types:
        _drop(schema, NEED_A_TYPE)
    if "number" in types:
        _drop(schema, BOUNDS)
    if "pattern" in schema and not _can_be_said(schema["pattern"]):
        del schema["pattern"]
    if "pattern" in schema:
        _drop(schema, LENGTHS | {"format"})
    if schema.keys() & LENGTHS:
        _drop(schema, {"format"})
    if "patternProperties" in schema:
        described = object_at(schema, "patternProperties")
        schema["patternProperties"] = {key: value for key, value in described.items() if _can_be_said(key)}
    if "required" in schema:
        described = object_at(schema, "properties")
        schema["required"] = [
            name for name in list_at(schema, "required") if isinstance(name, str) and name in described
        ]


def _drop(schema: dict[str, Any], keys: frozenset[str] | set[str]) -> None:
    for key in schema.keys() & keys:
        del schema[key]


def _can_be_said(pattern: object) -> bool:
    try:
        check_pattern(pattern)
        json_string_pattern(str(pattern))
    except InvalidRequest:
        return False
    return True
