"""A relaxed schema passes the check that the whole one does not, and keeps the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from argosy.core.errors import InvalidRequest
from argosy.engines.text.relaxed import relaxed, softened
from argosy.engines.text.schemas import check_schema


@pytest.mark.parametrize(
    ("schema", "rest"),
    [
        ({"type": "object", "not": {}}, {"type": "object"}),
        ({"type": "number", "minimum": 0, "multipleOf": 0.5}, {"type": "number"}),
        ({"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 0}),
        ({"minimum": 0, "format": "date"}, {}),
        ({"type": "string", "pattern": "(?=a)b", "minLength": 2}, {"type": "string", "minLength": 2}),
        ({"type": "string", "pattern": "a+", "minLength": 2, "format": "x"}, {"type": "string", "pattern": "a+"}),
        ({"type": "string", "format": "date", "minLength": 2}, {"type": "string", "minLength": 2}),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, {}),
        ({"allOf": [{"type": "string"}]}, {"allOf": [{"type": "string"}]}),
        ({"$ref": "https://example.org/x"}, {}),
        ({"$ref": "#/$defs/a", "minimum": 1, "$defs": {"a": {}}}, {"$ref": "#/$defs/a", "$defs": {"a": {}}}),
        (
            {"type": "object", "properties": {"a": {"type": "null", "not": {}}}, "anyOf": [{"required": ["a"]}]},
            {"type": "object", "properties": {"a": {"type": "null"}}},
        ),
        ({"anyOf": [{"type": "array", "uniqueItems": True}], "minItems": 2}, {"anyOf": [{"type": "array"}]}),
        ({"type": "object", "required": ["a"]}, {"type": "object", "required": []}),
        (
            {"type": "object", "patternProperties": {"(?=a)": {}, "a": {"not": {}}}, "propertyNames": {}},
            {"type": "object", "patternProperties": {"a": {}}},
        ),
        ({"type": "array", "items": {"type": "number", "maximum": 1}}, {"type": "array", "items": {"type": "number"}}),
    ],
)
def test_leaves_open_what_cannot_be_enforced(schema: dict[str, Any], rest: dict[str, Any]) -> None:
    """Only what the check refuses is dropped, at every depth; the schema given stays as it is."""
    before = copy.deepcopy(schema)
    assert relaxed(schema) == rest
    assert schema == before
    check_schema(relaxed(schema))


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"type": "nonsense"}, {"properties": 5}, {"enum": []}, []])
def test_what_is_wrong_stays_wrong(schema: object) -> None:
    """Nothing makes a schema of what is none."""
    with pytest.raises(InvalidRequest):
        check_schema(relaxed(schema))


@pytest.mark.parametrize(
    ("schema", "rest", "lost"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "number"}, ["exclusiveMaximum", "minimum"]),
        ({"type": "integer", "multipleOf": 5, "minimum": 0}, {"type": "integer", "minimum": 0}, ["multipleOf"]),
        ({"type": "array", "uniqueItems": True, "minItems": 1}, {"type": "array", "minItems": 1}, ["uniqueItems"]),
        ({"type": "string", "format": "uri", "minLength": 1}, {"type": "string", "format": "uri"}, ["minLength"]),
        ({"type": "string", "pattern": "a+", "maxLength": 9}, {"type": "string", "pattern": "a+"}, ["maxLength"]),
        ({"type": "string", "pattern": "(?=a)b", "maxLength": 9}, {"type": "string", "maxLength": 9}, ["pattern"]),
        (
            {
                "type": "object",
                "additionalProperties": {"type": "number", "minimum": 0},
                "propertyNames": {"enum": ["a"]},
            },
            {"type": "object", "additionalProperties": {"type": "number"}},
            ["minimum", "propertyNames"],
        ),
        ({"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}]}, None, ["maximum"]),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "number", "minimum": 0}}}, None, ["minimum"]),
    ],
)
def test_softening_leaves_values_open(schema: dict[str, Any], rest: dict[str, Any] | None, lost: list[str]) -> None:
    """What narrows single values and cannot be enforced is dropped at every depth, and named."""
    before = copy.deepcopy(schema)
    soft, named = softened(schema)
    assert named == lost
    assert schema == before
    assert rest is None or soft == rest
    check_schema(soft)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"minimum": {"type": "integer"}, "uniqueItems": {"type": "null"}}},
        {"enum": [{"multipleOf": 1}]},
        {"type": "string", "pattern": "a"},
        {"type": "object", "propertyNames": {"pattern": "a"}},
    ],
)
def test_softening_keeps_what_can_be_enforced(schema: dict[str, Any]) -> None:
    """Names of properties and values are no keywords."""
    assert softened(schema) == (schema, [])


@pytest.mark.parametrize("word", ["not", "if", "dependentRequired"])
def test_softening_keeps_what_shapes_an_answer(word: str) -> None:
    """An answer without it would have another shape than the caller expects, so the check refuses it."""
    with pytest.raises(InvalidRequest):
        check_schema(softened({"type": "object", word: {}})[0])
