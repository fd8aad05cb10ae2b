"""What of JSON Schema can be enforced while an answer is written, checked without compiling anything.

The grammar compiler (xgrammar 0.1.31) ignores keywords that no grammar can express and compiles the rest; an answer
could then break its schema and say "stop". Such schemas are refused here, and so are those without a finite answer.
What it compiles wrongly is said in other words: lengths and patterns of strings, which would let a quote or a control
character end the string, and whole numbers with one bound, of which it forgets the single digits. Bounds of other
numbers it compiles wrongly too, and they are refused.

Two readings are wider than the standard's: `oneOf` is `anyOf`, and an object with additional properties may say a name
twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from argosy.engines.text.endings import Endings
from argosy.engines.text.patterns import check_pattern
from argosy.engines.text.schema_words import (
    ASSERTIONS,
    BESIDE_NAMES,
    DECIDING,
    LENGTHS,
    UNENFORCEABLE,
    brief,
    check_values,
    list_at,
    object_at,
    refused,
    say_exactly,
    types_of,
)

MOST_LEVELS = 16
MOST_BRANCHES = 1000
MOST_VALUES = 2000
MOST_PROPERTIES = 1000

_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("prefixItems", "anyOf", "oneOf", "allOf")
_SINGLES = ("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames")


def check_schema(schema: object) -> None:
    """Refuse what cannot be enforced, or cannot be answered, or is too large.

    Args:
        schema: decoded JSON; changed in place to what the compiler gets right.

    Raises:
        InvalidRequest: with the param "constraint"; the message names the keyword at fault.
    """
    if not isinstance(schema, dict):
        raise refused("The JSON schema must be an object.")
    _Check(schema).run()


class _Check:
    """One walk over a schema; every object in it is looked at once."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._endings = Endings()
        self._things: dict[int, int] = {}
        self._waiting: list[tuple[dict[str, Any], int]] = []
        self._counts = {"branches": 0, "values": 0, "properties": 0}

    def run(self) -> None:
        self._thing(self._root, 1)
        while self._waiting:
            schema, level = self._waiting.pop()
            self._endings.equate(self._things[id(schema)], self._look_at(schema, level))
        if not all(self._endings.solve()):
            # Also where an answer could do without: whoever begins such a part cannot end it.
            raise refused("A part of the JSON schema needs itself without end; no finite answer satisfies it.")

    def _thing(self, schema: object, level: int) -> int:
        """The number of a sub-schema, which is looked at later."""
        if not isinstance(schema, dict):
            return self._endings.every(())
        if id(schema) not in self._things:
            if level > MOST_LEVELS:
                raise refused(f"The JSON schema is nested deeper than {MOST_LEVELS} levels; make it flatter.")
            self._things[id(schema)] = self._endings.reserve()
            self._waiting.append((schema, level))
        return self._things[id(schema)]

    def _look_at(self, schema: dict[str, Any], level: int) -> int:
        self._check_keywords(schema)
        parts = self._parts(schema, level + 1)
        deciding = next((key for key in DECIDING if key in schema), None)
        if deciding == "$ref":
            return self._thing(self._target(schema["$ref"]), 1)
        if deciding in {"const", "enum"}:
            return self._endings.every(())
        if deciding is not None:
            return self._endings.some(parts[deciding].values())
        return self._by_type(schema, parts)

    def _check_keywords(self, schema: dict[str, Any]) -> None:
        for key in schema.keys() & UNENFORCEABLE:
            raise refused(f"The keyword {key!r} of JSON Schema cannot be enforced; leave it out of the schema.")
        for deciding, companions in DECIDING.items():
            if deciding in schema:
                for key in (schema.keys() & ASSERTIONS) - companions - {deciding}:
                    raise refused(f"In a JSON schema {key!r} beside {deciding!r} cannot be enforced; put it inside.")
                break
        if len(list_at(schema, "allOf")) > 1:
            raise refused("'allOf' with several schemas cannot be enforced; write them as one schema.")
        if "pattern" in schema:
            if schema.keys() & (LENGTHS | {"format"}):
                raise refused(
                    "A 'pattern' beside a length or a 'format' cannot be enforced; say it all in the pattern."
                )
            check_pattern(schema["pattern"])
        for pattern in object_at(schema, "patternProperties"):
            check_pattern(pattern)
        if "propertyNames" in schema and schema.keys() & BESIDE_NAMES:
            raise refused("'propertyNames' beside a description of properties cannot be enforced; leave one out.")
        self._count("branches", len(list_at(schema, "anyOf")) + len(list_at(schema, "oneOf")), MOST_BRANCHES)
        self._count("values", len(list_at(schema, "enum")), MOST_VALUES)
        self._count("properties", len(object_at(schema, "properties")), MOST_PROPERTIES)
        check_values(schema)
        say_exactly(schema)

    def _count(self, what: str, number: int, most: int) -> None:
        self._counts[what] += number
        if self._counts[what] > most:
            raise refused(f"The JSON schema has more than {most} {what}; make it smaller.")

    def _parts(self, schema: dict[str, Any], level: int) -> dict[str, dict[Any, int]]:
        """Sub-schemas by keyword, and there by name or place."""
        parts: dict[str, dict[Any, int]] = {}
        for key in _MAPS:
            parts[key] = {name: self._thing(value, level) for name, value in object_at(schema, key).items()}
        for key in _LISTS:
            parts[key] = {place: self._thing(value, level) for place, value in enumerate(list_at(schema, key))}
        for key in _SINGLES:
            parts[key] = {"": self._thing(schema[key], level)} if key in schema else {}
        return parts

    def _by_type(self, schema: dict[str, Any], parts: dict[str, dict[Any, int]]) -> int:
        types = types_of(schema)
        if types - {"object", "array"}:
            return self._endings.every(())
        ways = []
        if "array" in types or (not types and parts["items"]):
            least = schema.get("minItems", 0)
            items = parts["items"].values() if isinstance(least, int) and least > 0 else ()
            ways.append(self._endings.every((*parts["prefixItems"].values(), *items)))
        if "object" in types or (not types and not ways):
            ways.append(self._endings.every(self._required(schema, parts["properties"])))
        return self._endings.some(ways)

    def _required(self, schema: dict[str, Any], properties: dict[Any, int]) -> Iterable[int]:
        for name in list_at(schema, "required"):
            if not isinstance(name, str) or name not in properties:
                raise refused(f"The JSON schema requires {brief(name)} without describing it; add it to 'properties'.")
            yield properties[name]

    def _target(self, pointer: object) -> object:
        if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
            raise refused(f"The reference {brief(pointer)} leaves the schema; write references that begin with '#/'.")
        place: Any = self._root
        for name in filter(None, pointer[1:].split("/")):
            if not isinstance(place, dict) or name not in place:
                raise refused(f"The reference {brief(pointer)} of the JSON schema names nothing.")
            place = place[name]
        return place
