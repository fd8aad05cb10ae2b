"""External data of ONNX files: only plain names of regular files in the same folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.readers.onnx_external import external_files
from tests.unit.server.artifacts.onnx_bytes import external, field, matmul, varint


def test_weights_inside_need_no_other_file(tmp_path: Path) -> None:
    """A network with its weights inside has no external files."""
    assert external_files(matmul(tmp_path / "m.onnx")) == ()


def test_weights_beside_are_found(tmp_path: Path) -> None:
    """A plain file name in the same folder is accepted."""
    path = matmul(tmp_path / "m.onnx", location="m.onnx_data")
    assert external_files(path) == (tmp_path / "m.onnx_data",)


@pytest.mark.parametrize(
    "location", ["../canary", "/etc/passwd", "sub/canary", "..\\canary", "..", ".", "", "a\0b", "./canary"]
)
def test_r7_a_location_that_is_a_path_is_refused(tmp_path: Path, location: str) -> None:
    """Anything but a plain name is refused, wherever it leads."""
    (tmp_path / "canary").write_text("secret")
    path = tmp_path / "model" / "m.onnx"
    matmul(path)
    path.write_bytes(path.read_bytes() + field(7, field(5, external(location))))
    with pytest.raises(InvalidModelEntry, match="plain file name"):
        external_files(path)


def test_r7_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A symbolic link with a plain name that leads out is refused."""
    (tmp_path / "canary").write_text("secret")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w").symlink_to(tmp_path / "canary")
    with pytest.raises(InvalidModelEntry, match="leads out"):
        external_files(matmul(tmp_path / "model" / "m.onnx", location="w"))


def test_r7_a_hard_link_is_refused(tmp_path: Path) -> None:
    """A file with a second name may be any file of the machine."""
    (tmp_path / "canary").write_text("secret")
    (tmp_path / "model").mkdir()
    os.link(tmp_path / "canary", tmp_path / "model" / "w")
    with pytest.raises(InvalidModelEntry, match="hard link"):
        external_files(matmul(tmp_path / "model" / "m.onnx", location="w"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which file to copy."""
    path = matmul(tmp_path / "m.onnx", location="w")
    (tmp_path / "w").unlink()
    with pytest.raises(InvalidModelEntry, match=r"w, which is no file"):
        external_files(path)


def tensor(location: str) -> bytes:
    return field(5, external(location))


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(field(7, field(5, external("../x"))), id="initializer"),
        pytest.param(field(7, field(15, field(1, external("../x")))), id="sparse values"),
        pytest.param(field(7, field(15, field(2, external("../x")))), id="sparse indices"),
        pytest.param(field(7, field(1, field(5, field(5, external("../x"))))), id="attribute tensor"),
        pytest.param(field(7, field(1, field(5, field(10, external("../x"))))), id="attribute tensors"),
        pytest.param(field(7, field(1, field(5, field(6, field(5, external("../x")))))), id="subgraph"),
        pytest.param(field(7, field(1, field(5, field(11, field(5, external("../x")))))), id="subgraphs"),
        pytest.param(field(7, field(1, field(5, field(22, field(1, external("../x")))))), id="attribute sparse"),
        pytest.param(field(25, field(7, field(5, field(5, external("../x"))))), id="function body"),
        pytest.param(field(25, field(11, field(5, external("../x")))), id="function default"),
        pytest.param(field(20, field(1, field(5, external("../x")))), id="training"),
    ],
)
def test_r7_every_place_that_can_hold_a_tensor_is_searched(tmp_path: Path, place: bytes) -> None:
    """A forbidden location is found in each part of a model."""
    path = matmul(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes() + place)
    with pytest.raises(InvalidModelEntry, match="plain file name"):
        external_files(path)


def nested(depth: int) -> bytes:
    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return field(7, graph)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\xff" * 12, "number"),
        (varint(7 << 3 | 2) + varint(1000), "passes the end"),
        (varint(1 << 3 | 3), "wire type 3"),
        (varint(1 << 3 | 1) + b"abc", "passes the end"),
        (nested(200), "nest deeper"),
    ],
)
def test_bytes_that_are_not_onnx_are_refused(tmp_path: Path, data: bytes, says: str) -> None:
    """A malformed file ends the reading with a message that names it."""
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(InvalidModelEntry, match=says) as caught:
        external_files(path)
    assert "bad.onnx" in caught.value.message
