"""The outline of a config somebody else wrote."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.readers.config_text import read_outline


def test_fields_texts_and_backend() -> None:
    """Top-level fields are told from nested ones; comments do not count."""
    outline = read_outline(
        """
        name: "m"  # backend: "python"
        backend : 'argosy_echo' max_batch_size: 8
        input [{ name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }]
        instance_group { kind: KIND_CPU count: 1 }
        parameters { key: "threads" value { string_value: "1" } }
        """
    )
    assert outline.fields == ("name", "backend", "max_batch_size", "input", "instance_group", "parameters")
    assert outline.backend == "argosy_echo"
    assert {"threads", "x", "m"} <= outline.texts


@pytest.mark.parametrize(
    "text",
    [
        'backend: "pyth" "on"',
        'parameters { key: "EXECUTION\\x5fENV_PATH" }',
        'name: "unended',
        "input {",
        "name: \x00",
    ],
)
def test_what_could_hide_a_word_is_refused(text: str) -> None:
    """Escapes, texts in pieces and broken syntax end the reading."""
    with pytest.raises(InvalidModelEntry):
        read_outline(text)
