"""The JSON Schema of the settings, from which forms are made."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from argosy.settings import Secret, Settings, declarations, json_schema
from argosy.settings.json_schema import json_value
from argosy.settings.parsers import Parser

SCHEMA = json_schema()
PROPERTIES = SCHEMA["properties"]


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    Draft202012Validator.check_schema(SCHEMA)


def test_the_defaults_satisfy_it() -> None:
    """A form that shows them starts valid."""
    defaults = {name: json_value(getattr(Settings(), name)) for name, _ in declarations()}
    assert {name: PROPERTIES[name]["default"] for name in PROPERTIES} == defaults
    Draft202012Validator(SCHEMA).validate(defaults)


@pytest.mark.parametrize("name", [name for name, _ in declarations()])
def test_every_setting_is_described(name: str) -> None:
    """Type or words, help, heading and variables; each parser tells what it takes."""
    declaration = dict(declarations())[name]
    assert isinstance(declaration.parse, Parser)
    described = PROPERTIES[name]
    assert {"type", "enum"} & set(described)
    assert described["description"].endswith(".")
    assert described["x-group"]
    assert described["x-variables"][0] == f"ARGOSY_{name.upper()}"


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({"port": 9000}, True),
        ({"port": 70_000}, False),
        ({"port": "9000"}, False),
        ({"max_model_len": None}, True),
        ({"max_model_len": 0}, False),
        ({"gpu_memory_utilization": 0.9}, True),
        ({"gpu_memory_utilization": 0}, False),
        ({"scheduling_policy": None}, True),
        ({"scheduling_policy": "fifo"}, False),
        ({"prot": 1}, False),
    ],
)
def test_it_has_the_bounds_that_reading_has(values: dict[str, object], valid: bool) -> None:
    """What a form lets through is what a start takes."""
    assert Draft202012Validator(SCHEMA).is_valid(values) is valid


def test_secrets_are_write_only() -> None:
    """A form must not show them, and no default holds one."""
    assert PROPERTIES["api_keys"]["items"]["writeOnly"] is True
    assert json_value((Secret("hush"),)) == ["********"]
