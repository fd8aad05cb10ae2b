"""What the fields of a struct are called, those of the structs inside of it included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

Names = Mapping[str, "Names | None"]
"""The known names of an object, each with those of the object it may be; None where that has no fixed names."""


def field_paths(kind: type[msgspec.Struct]) -> list[str]:
    """Every field as the path to it, outer ones first: `a`, inside of an object `a.b`, inside of a list `a[].b`."""
    return list(dict.fromkeys(_paths(inspect.type_info(kind), "")))


def parent(path: str) -> str:
    """The path of the field that a field is inside of; empty for one that stands by itself."""
    return path.rpartition(".")[0].removesuffix("[]")


def object_names(kind: type[msgspec.Struct]) -> dict[str, Names]:
    """The known names inside of each field that is an object of fixed names."""
    names = _names(inspect.type_info(kind)) or {}
    return {name: inner for name, inner in names.items() if inner is not None}


def strangers(value: Mapping[str, Any], names: Names, at: str) -> Iterator[str]:
    """Paths of the members that are not among the names, with `at` before each; lists are not looked into."""
    for name, member in value.items():
        if name not in names:
            yield f"{at}{name}"
        elif type(member) is dict and (inner := names[name]) is not None:
            yield from strangers(member, inner, f"{at}{name}.")


def _paths(info: inspect.Type, at: str) -> Iterator[str]:
    for option in _options(info):
        if isinstance(option, inspect.StructType):
            for field in option.fields:
                path = f"{at}.{field.encode_name}" if at else field.encode_name
                yield path
                yield from _paths(field.type, path)
        elif isinstance(option, inspect.ListType):
            yield from _paths(option.item_type, f"{at}[]")


def _names(info: inspect.Type) -> Names | None:
    structs = [option for option in _options(info) if isinstance(option, inspect.StructType)]
    return {field.encode_name: _names(field.type) for field in structs[0].fields} if len(structs) == 1 else None


def _options(info: inspect.Type) -> tuple[inspect.Type, ...]:
    return info.types if isinstance(info, inspect.UnionType) else (info,)
