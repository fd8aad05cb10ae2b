from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from argosy.api.http.nested import field_paths, object_names, parent, strangers


class Leaf(msgspec.Struct):
    text: str
    data: dict[str, Any] | None = None


class Branch(msgspec.Struct):
    leaf: Leaf | None = None
    leaves: Annotated[list[Leaf], Meta(max_length=3)] | str | None = None


class Other(msgspec.Struct, tag=True):
    text: str


class Tree(msgspec.Struct):
    branch: Branch
    either: Annotated[str, Meta(max_length=9)] | list[str | Other] | None = None


def test_paths_lead_into_objects_and_lists() -> None:
    """Outer fields come first; a field that may be several things leads into each of them."""
    assert field_paths(Tree) == [
        "branch",
        "branch.leaf",
        "branch.leaf.text",
        "branch.leaf.data",
        "branch.leaves",
        "branch.leaves[].text",
        "branch.leaves[].data",
        "either",
        "either[].text",
    ]


@pytest.mark.parametrize(("path", "outer"), [("a", ""), ("a.b", "a"), ("a.b[].c", "a.b"), ("a[].b.c", "a[].b")])
def test_every_path_has_a_parent(path: str, outer: str) -> None:
    """The field that it is inside of, as that one is written itself."""
    assert parent(path) == outer


def test_strangers_are_found_at_any_depth() -> None:
    """In objects of fixed names; a field that should be an object and is none holds nobody."""
    names = object_names(Tree)["branch"]
    value = {"leaf": {"text": "a", "data": {"any": 1}, "b": 1}, "leaves": [{"c": 1}], "d": {"e": 1}}
    assert list(strangers(value, names, "branch.")) == ["branch.leaf.b", "branch.d"]
    assert list(strangers({"leaf": None}, names, "")) == []
