"""The settings as JSON Schema (draft 2020-12): types, bounds, defaults, help and groups, for forms and editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argosy.settings.declaration import Declaration
from argosy.settings.registry import Settings, declarations, flag, variables


def json_schema() -> dict[str, Any]:
    """A schema of what `argosy.toml` may hold; also what a form for the settings is made from.

    Each property has the standard keywords, and of ours: `x-group` (its heading), `x-variables` (environment
    variables that set it, highest precedence first) and `x-flag` (its command-line flag; absent when it has none).
    A setting whose default is null is decided by the model, the engine or the machine while nobody sets it.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Argosy settings",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(name, declaration) for name, declaration in declarations()},
    }


def json_value(value: Any) -> Any:
    """A setting's value as JSON has it; secrets are hidden."""
    if isinstance(value, tuple):
        return [json_value(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _property(name: str, declaration: Declaration) -> dict[str, Any]:
    default = json_value(getattr(Settings(), name))
    schema: Mapping[str, Any] = getattr(declaration.parse, "schema", {"type": "string"})
    described = {
        **(schema if default is not None else _or_null(schema)),
        "title": name.replace("_", " "),
        "description": declaration.help,
        "default": default,
        "x-group": declaration.group,
        "x-variables": [*variables(name)],
    }
    return described | ({"x-flag": flag(name)} if declaration.flag else {})


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]}
