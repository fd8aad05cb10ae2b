"""Names made from paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.naming import default_name, normalise


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/m/Qwen2.5-0.5B-Instruct-Q8_0.gguf", "qwen2.5-0.5b-instruct-q8_0"),
        ("/m/My Model (final).onnx", "my-model-final"),
        ("/m/all-MiniLM-L6-v2", "all-minilm-l6-v2"),
        ("/m/bge-small/onnx/model.onnx", "bge-small"),
        ("/m/bge-small/onnx/model_quantized.onnx", "bge-small"),
        ("/m/e5/openvino/openvino_model.xml", "e5"),
        ("/m/dies/1/model.onnx", "dies"),
        ("/hub/models--BAAI--bge-small-en-v1.5/snapshots/" + "a" * 40, "bge-small-en-v1.5"),
        ("/hub/models--BAAI--bge-m3/snapshots/" + "0" * 40 + "/onnx/model.onnx", "bge-m3"),
        ("/m/" + "x" * 80, "x" * 64),
        ("/m/...hidden", "hidden"),
    ],
)
def test_a_name_comes_from_the_part_that_says_something(path: str, name: str) -> None:
    """File names that every model has are skipped for the folder's."""
    assert default_name(Path(path)) == name


def test_a_path_that_says_nothing_asks_for_a_name() -> None:
    """The message shows the form name=path."""
    with pytest.raises(InvalidModelEntry, match=r"my-model=/onnx/model\.onnx"):
        default_name(Path("/onnx/model.onnx"))


def test_nothing_usable_normalises_to_nothing() -> None:
    """A text without a letter or digit gives an empty name."""
    assert normalise("___") == ""
    assert normalise("日本") == ""
