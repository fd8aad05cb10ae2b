from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Pooling, ProfileSpec, Task, check_name

EMBED: dict[str, Any] = {
    "schema": 1,
    "name": "encoder",
    "task": "embed",
    "engine": "openvino",
    "text": {"pooling": "cls", "dimensions": 8},
}


def test_a_complete_entry_becomes_a_spec() -> None:
    """Sections become typed values."""
    spec = ModelSpec.from_mapping(EMBED)
    assert spec.task is Task.EMBED
    assert spec.text is not None
    assert spec.text.pooling is Pooling.CLS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": 2}, "schema"),
        ({"task": "sing"}, "sing"),
        ({"name": "../up"}, "not allowed"),
        ({"text": None}, "'text' section"),
        ({"task": "generate"}, "'generate' section"),
        ({"task": "classify"}, "'labels'"),
        ({"colour": "red"}, "colour"),
        ({"text": {"pooling": "max"}}, "max"),
        ({"text": {"pooling": "none", "pair": True}}, "'rank' only"),
        ({"task": "rank", "text": {"pair": True}}, "pooling: none"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(change: dict[str, Any], expected: str) -> None:
    """The message names what is missing, unknown or wrong."""
    with pytest.raises(InvalidModelEntry, match=expected):
        ModelSpec.from_mapping({**EMBED, **change})


@pytest.mark.parametrize("key", ["task", "engine"])
def test_a_missing_key_is_refused(key: str) -> None:
    """Required keys are required."""
    with pytest.raises(InvalidModelEntry, match=key):
        ModelSpec.from_mapping({name: value for name, value in EMBED.items() if name != key})


@given(st.text(max_size=80))
def test_an_allowed_name_is_one_path_component(name: str) -> None:
    """Whatever passes the check cannot leave its directory."""
    try:
        check_name(name)
    except InvalidModelEntry:
        return
    assert "/" not in name
    assert name not in {".", "..", ""}
    assert name.isascii()


def test_a_profile_is_shown_briefly() -> None:
    """Weights are named only when they differ from the arithmetic."""
    assert ProfileSpec("bf16", "int8").label == "bf16/int8"
    assert ProfileSpec("f32", "fp32").label == "f32"
