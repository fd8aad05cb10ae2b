"""The keywords of JSON Schema: which can be enforced, which must be said in other words, and what they may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from argosy.core.errors import InvalidRequest
from argosy.engines.text.latin import as_pattern, harmed
from argosy.engines.text.patterns import json_string_pattern

_IGNORED = """
not if then else dependentRequired dependentSchemas dependencies multipleOf uniqueItems contains minContains maxContains
$dynamicRef $recursiveRef
"""
_READ = """
$ref const enum anyOf oneOf allOf type properties required additionalProperties unevaluatedProperties patternProperties
propertyNames minProperties maxProperties items prefixItems unevaluatedItems minItems maxItems minimum maximum
exclusiveMinimum exclusiveMaximum pattern minLength maxLength format
"""
_SIZES = "pattern format minItems maxItems minProperties maxProperties patternProperties propertyNames"
UNENFORCEABLE = frozenset(_IGNORED.split())
ASSERTIONS = UNENFORCEABLE | frozenset(_READ.split())
ABOUT_VALUES = frozenset({"multipleOf", "uniqueItems", "contains", "minContains", "maxContains"})
"""Those of `UNENFORCEABLE` that narrow which values an answer has, and not which properties or types."""
BESIDE_NAMES = frozenset({"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"})
"""Keywords beside which the compiler passes over `propertyNames`."""
BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
LENGTHS = frozenset({"minLength", "maxLength"})
NEED_A_TYPE = BOUNDS | LENGTHS | frozenset(_SIZES.split())
"""Keywords that the compiler reads only in a schema with a `type`."""
DECIDING: Mapping[str, frozenset[str]] = {
    "$ref": frozenset(),
    "const": frozenset({"type", "enum"}),
    "enum": frozenset({"type"}),
    "anyOf": frozenset({"type"}),
    "oneOf": frozenset({"type"}),
    "allOf": frozenset({"type"}),
}
"""Keywords of which the compiler reads the first that is there and nothing else; those that may stand beside each."""

_STRING_PART = r"([^\"\\\x00-\x1f]|\\[\"\\/bfnrt])"
"""One character of a JSON string, as it stands between the quotes."""
_FAR = 10**15
"""The bound that a whole number gets where it has none."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def refused(message: str) -> InvalidRequest:
    """The error for a constraint."""
    return InvalidRequest(message, param="constraint")


def say_exactly(schema: dict[str, Any]) -> None:
    """Put what the compiler gets wrong into words that it gets right."""
    _say_values(schema)
    types = types_of(schema)
    if not types and schema.keys() & NEED_A_TYPE:
        raise refused(f"{min(schema.keys() & NEED_A_TYPE)!r} cannot be enforced in a schema without a 'type'; add it.")
    if "pattern" in schema:
        schema["pattern"] = json_string_pattern(schema["pattern"])
    elif schema.keys() & LENGTHS:
        least, most = _bound(schema.pop("minLength", 0)), _bound(schema.pop("maxLength", None))
        if "format" in schema:
            raise refused("A length beside a 'format' cannot be enforced; leave one out.")
        if most == 0:
            schema["enum"] = [""]
        else:
            schema["pattern"] = f"{_STRING_PART}{{{least or 0},{'' if most is None else most}}}"
    if "patternProperties" in schema:
        described = object_at(schema, "patternProperties")
        schema["patternProperties"] = {json_string_pattern(key): value for key, value in described.items()}
    bounds = schema.keys() & BOUNDS
    if bounds and "number" in types:
        raise refused(f"{min(bounds)!r} of a 'number' cannot be enforced; use an 'integer', or leave it out.")
    if bounds and not bounds & {"minimum", "exclusiveMinimum"}:
        schema["minimum"] = -_FAR
    if bounds and not bounds & {"maximum", "exclusiveMaximum"}:
        schema["maximum"] = _FAR


def _say_values(schema: dict[str, Any]) -> None:
    for name in object_at(schema, "properties"):
        if harmed(name):
            raise refused(
                f"The property {brief(name)} cannot be enforced: a letter such as 'é' before a digit or one of A to F "
                "would be compiled into another; rename it."
            )
    values = [schema["const"]] if "const" in schema else list_at(schema, "enum")
    patterns = [value for value in values if isinstance(value, str) and harmed(value)]
    rest = [value for value in values if value not in patterns]
    if any(_holds_harm(value) for value in rest):
        raise refused(
            "A list or object among the values of 'const' or 'enum' has a letter such as 'é' before a digit or one of "
            "A to F, which would be compiled into another; describe it with 'properties' or 'prefixItems'."
        )
    if patterns:
        for key in ("const", "enum", "type"):
            schema.pop(key, None)
        ways: list[dict[str, Any]] = [{"type": "string", "pattern": as_pattern(value)} for value in patterns]
        schema["anyOf"] = [{"enum": rest}, *ways] if rest else ways


def _holds_harm(value: object) -> bool:
    return isinstance(value, dict | list) and harmed(json.dumps(value, ensure_ascii=False))


def _bound(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise refused("A length in a JSON schema must be a whole number of at least 0.")
    return value


def check_values(schema: dict[str, Any]) -> None:
    """Values beside a type must be of it, because the compiler looks at the values only."""
    values = [schema["const"]] if "const" in schema else list_at(schema, "enum")
    if "const" in schema and "enum" in schema and schema["const"] not in schema["enum"]:
        raise refused("In a JSON schema 'const' is not among the values of 'enum'; no answer satisfies both.")
    if "enum" in schema and not values:
        raise refused("An 'enum' of the JSON schema is empty; no answer satisfies it.")
    types = types_of(schema)
    if values and types and not all(any(_is_of(value, kind) for kind in types) for value in values):
        raise refused("A value of 'const' or 'enum' is not of the schema's 'type'; correct one of them.")


def _is_of(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The types that a schema names; none when it names none."""
    types = schema.get("type", ())
    names = types if isinstance(types, list | tuple) else [types]
    for name in names:
        if not isinstance(name, str) or name not in _TYPES:
            raise refused(f"The type {brief(name)} does not exist in JSON Schema; write one of {', '.join(_TYPES)}.")
    return frozenset(names)


def object_at(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What a keyword holds that must hold an object; an empty one where it is not there."""
    value = schema.get(key, {})
    if not isinstance(value, dict):
        raise refused(f"{key!r} of a JSON schema must be an object.")
    return value


def list_at(schema: Mapping[str, Any], key: str) -> list[Any]:
    """What a keyword holds that must hold a list; an empty one where it is not there."""
    value = schema.get(key, [])
    if not isinstance(value, list):
        raise refused(f"{key!r} of a JSON schema must be a list.")
    return value


def brief(value: object) -> str:
    """What a caller wrote, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
