from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.adapters.header import TensorHeader, read_header
from tests.suites.adapter_folders import write_raw, write_zeros


def test_names_types_and_shapes_are_read(tmp_path: Path) -> None:
    """The numbers are not needed."""
    path = write_zeros(tmp_path / "a.safetensors", {"x": (2, 3), "y": (4,)}, "BF16")
    assert read_header(path) == {"x": TensorHeader("BF16", (2, 3)), "y": TensorHeader("BF16", (4,))}


def tensor(**other: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **other}}


@pytest.mark.parametrize(
    ("header", "size", "words"),
    [
        (tensor(), 4, "copy it again"),
        (tensor(), 12, "copy it again"),
        (tensor(data_offsets=[4, 12]), 12, "holes"),
        (tensor(data_offsets=[0, 4]), 4, "another size"),
        (tensor(data_offsets=[8, 0]), 8, "another size"),
        (tensor(dtype="I64"), 8, "I64"),
        (tensor(dtype=["F32"]), 8, "type"),
        (tensor(shape=[-2]), 8, "shape"),
        (tensor(shape=[True, 2]), 8, "shape"),
        (tensor(shape="2"), 8, "shape"),
        (tensor(shape=[1] * 9), 8, "shape"),
        (tensor(shape=[1 << 60]), 8, "shape"),
        (tensor(data_offsets=[0]), 8, "place"),
        ({"x": 1}, 0, "description"),
        ([1], 0, "mapping"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, header: Any, size: int, words: str) -> None:
    """Each with the reason."""
    with pytest.raises(InvalidModelEntry, match=words):
        read_header(write_raw(tmp_path / "a.safetensors", header, size))


@pytest.mark.parametrize(
    "data",
    [b"", b"1234567", (1 << 62).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{", b"\x80\x04K" * 9],
    ids=["empty", "short", "long header", "cut header", "pickle"],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """Nothing of it is opened but the header."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(InvalidModelEntry, match=r"a\.safetensors"):
        read_header(path)


def test_a_header_that_nests_too_deep_is_refused(tmp_path: Path) -> None:
    """It must not end the process that looks at it."""
    text = b"[" * 100_000
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(InvalidModelEntry):
        read_header(path)
