"""Writes small ONNX files by hand; field numbers are those of onnx.proto3."""

from __future__ import annotations

import struct
from pathlib import Path

FLOAT, INT64 = 1, 7


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def external(location: str) -> bytes:
    """The fields of a TensorProto whose data is in another file."""
    entry = field(1, "location") + field(2, location)
    return field(13, entry) + field(14, 1)


def weights(location: str | None = None, size: int = 4) -> bytes:
    """A TensorProto "w" [size, size]."""
    head = field(1, size) + field(1, size) + field(2, FLOAT) + field(8, "w")
    if location is not None:
        return head + external(location)
    return head + field(9, struct.pack(f"<{size * size}f", *range(size * size)))


def value(name: str, dims: list[int | str], kind: int = FLOAT) -> bytes:
    """A ValueInfoProto; text dimensions are free."""
    shape = b"".join(field(1, field(1, dim) if isinstance(dim, int) else field(2, dim)) for dim in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def matmul(
    path: Path, *, location: str | None = None, batch: int | str = "batch", attribute: bytes = b"", size: int = 4
) -> Path:
    """A network y = x · w with x [batch, size]; `attribute` is added to its node."""
    node = field(1, "x") + field(1, "w") + field(2, "y") + field(4, "MatMul") + attribute
    graph = (
        field(1, node)
        + field(2, "g")
        + field(5, weights(location, size))
        + field(11, value("x", [batch, size]))
        + field(12, value("y", [batch, size]))
    )
    model = field(1, 8) + field(8, field(1, "") + field(2, 17)) + field(7, graph)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model)
    if location is not None and "/" not in location:
        target = path.parent / location
        if not target.is_symlink() and not target.exists():
            target.write_bytes(struct.pack(f"<{size * size}f", *range(size * size)))
    return path


def pair_scorer(path: Path) -> Path:
    """A cross-encoder: `logits` [rows, 1] is the sum over tokens of id x mask x type id."""
    names = ("input_ids", "attention_mask", "token_type_ids")

    def number(name: str, content: int) -> bytes:
        # AttributeProto: name, the number, and INT as its type.
        return field(5, field(1, name) + field(3, content) + field(20, 2))

    nodes = (
        field(1, names[0]) + field(1, names[1]) + field(2, "masked") + field(4, "Mul"),
        field(1, "masked") + field(1, names[2]) + field(2, "typed") + field(4, "Mul"),
        field(1, "typed") + field(2, "numbers") + field(4, "Cast") + number("to", FLOAT),
        field(1, "numbers") + field(1, "axes") + field(2, "logits") + field(4, "ReduceSum") + number("keepdims", 1),
    )
    axes = field(1, 1) + field(2, INT64) + field(8, "axes") + field(9, struct.pack("<q", 1))
    graph = (
        b"".join(field(1, node) for node in nodes)
        + field(2, "g")
        + field(5, axes)
        + b"".join(field(11, value(name, ["rows", "tokens"], INT64)) for name in names)
        + field(12, value("logits", ["rows", 1]))
    )
    path.write_bytes(field(1, 8) + field(8, field(1, "") + field(2, 17)) + field(7, graph))
    return path
