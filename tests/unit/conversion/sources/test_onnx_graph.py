"""C5: ONNX files made to exhaust whoever parses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.conversion.sources.onnx_graph import check_graph
from argosy.core.errors import InvalidModelEntry
from tests.unit.server.artifacts.onnx_bytes import matmul


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def nested(depth: int) -> bytes:
    """A graph with a node with an attribute with a graph, `depth` times."""
    graph = field(1, b"")
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return field(7, graph)


def test_a_networks_nodes_are_counted(tmp_path: Path) -> None:
    """One matrix product."""
    matmul(tmp_path / "m.onnx")
    assert check_graph(tmp_path / "m.onnx") == 1


def test_graphs_in_nodes_of_graphs_are_counted_too(tmp_path: Path) -> None:
    """Three levels, a node each, and the innermost."""
    (tmp_path / "m.onnx").write_bytes(nested(3))
    assert check_graph(tmp_path / "m.onnx") == 4


def test_c5_ten_thousand_nested_graphs_are_refused(tmp_path: Path) -> None:
    """Without recursion, and after a few levels."""
    (tmp_path / "m.onnx").write_bytes(nested(10_000))
    with pytest.raises(InvalidModelEntry, match="nests graphs deeper"):
        check_graph(tmp_path / "m.onnx")


def test_c5_a_million_nodes_are_refused(tmp_path: Path) -> None:
    """The walk ends at the limit."""
    (tmp_path / "m.onnx").write_bytes(field(7, field(1, b"") * 1_000_000))
    with pytest.raises(InvalidModelEntry, match="more than 200000 nodes"):
        check_graph(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "content", [b"", b"not a network", b"\x3a\xff\xff\xff\xff\x7f", b"\x08\x01"], ids=["empty", "text", "cut", "bare"]
)
def test_what_is_no_network_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    """Lengths that point behind the end included."""
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InvalidModelEntry, match=r"(?i)export the model again"):
        check_graph(tmp_path / "m.onnx")
