"""Where models come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from argosy.server.catalog.origin import origin, version

SPEC = ModelSpec(
    "sums",
    Task.GENERATE,
    "openvino_genai",
    profile=ProfileSpec("bf16", "int8"),
    source={"sha256": "ab"},
    generate=GenerateSpec(512),
)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"kind": "pypi", "id": "gt-minilm", "version": "0.1"}, "pkg:pypi/gt-minilm@0.1"),
        ({"kind": "pypi", "id": "gt-minilm"}, "pkg:pypi/gt-minilm"),
        ({"kind": "hf", "id": "org/name"}, "hf://org/name"),
        ({"kind": "web", "id": "https://example.org/m.onnx"}, "https://example.org/m.onnx"),
        ({"kind": "trained", "id": "tools/models/abacus/train.py"}, "tools/models/abacus/train.py"),
        ({"adopted": "tiny.gguf", "fingerprint": "1"}, "tiny.gguf"),
        ({"adopted": "/home/me/tiny.gguf"}, "sums"),
        ({"id": "~/tiny"}, "sums"),
        ({"id": "../tiny"}, "sums"),
        ({}, "sums"),
    ],
)
def test_an_origin_is_a_url_or_a_name(source: Mapping[str, Any], wanted: str) -> None:
    """Never a path of this machine."""
    assert origin(replace(SPEC, source=source)) == wanted


def test_a_version_is_its_sources() -> None:
    """1 when the source gave none."""
    assert version(replace(SPEC, source={"version": "0.1.0"})) == "0.1.0"
    assert version(SPEC) == "1"
