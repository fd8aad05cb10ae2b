"""How large and how deep an ONNX file's graphs are, told without parsing them.

Source: onnx.proto3. The protobuf's fields are walked by hand and the walk stops at the first limit passed, so that a
file made to exhaust a parser (graphs nested ten thousand deep, a million nodes) costs milliseconds.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from argosy.core.errors import InvalidModelEntry

MOST_NODES = 200_000
"""Real networks have some thousands."""
DEEPEST = 16
"""Graphs inside nodes of graphs; control flow nests two or three deep."""
_MOST_FIELDS = 4_000_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Message type to {field number: message type}, for the messages that graphs can hide in.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {6: "graph", 11: "graph"},
}


def check_graph(path: Path, most_nodes: int = MOST_NODES, deepest: int = DEEPEST) -> int:
    """The number of nodes of the ONNX file at `path`, those of inner graphs and functions included.

    Raises:
        InvalidModelEntry: it is not ONNX, has more nodes, or nests its graphs deeper.
    """
    try:
        if path.stat().st_size == 0:
            raise InvalidModelEntry(f"{path} is empty; export the model again.")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _count(data, path, most_nodes, deepest)
    except OSError as error:
        raise InvalidModelEntry(f"{path} cannot be read: {error}.") from error


def _count(data: mmap.mmap, path: Path, most_nodes: int, deepest: int) -> int:
    nodes = fields = 0
    pending = [("model", 0, len(data), 0)]
    while pending:
        kind, start, end, depth = pending.pop()
        if kind == "graph" and depth > deepest:
            raise InvalidModelEntry(f"{path} nests graphs deeper than {deepest}, which no model does; it is refused.")
        children = _CHILDREN[kind]
        for number, first, last in _submessages(data, path, start, end):
            fields += 1
            child = children.get(number)
            if child == "node":
                nodes += 1
            if nodes > most_nodes or fields > _MOST_FIELDS:
                raise InvalidModelEntry(f"{path} has more than {most_nodes} nodes, which no model has; it is refused.")
            if child is not None:
                pending.append((child, first, last, depth + (child == "graph")))
    if not nodes:
        raise InvalidModelEntry(f"{path} holds no ONNX graph; export the model again.")
    return nodes


def _submessages(data: mmap.mmap, path: Path, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Field number, start and end of each length-delimited field in [at, end)."""
    while at < end:
        key, at = _varint(data, path, at, end)
        number, wire = key >> 3, key & 7
        if wire == _BYTES:
            length, at = _varint(data, path, at, end)
            if length > end - at:
                raise _malformed(path, at)
            yield number, at, at + length
            at += length
        elif wire == _VARINT:
            _, at = _varint(data, path, at, end)
        elif wire in {_FIXED64, _FIXED32}:
            at += 8 if wire == _FIXED64 else 4
        else:
            raise _malformed(path, at)
    if at > end:
        raise _malformed(path, at)


def _varint(data: mmap.mmap, path: Path, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
    raise _malformed(path, at)


def _malformed(path: Path, at: int) -> InvalidModelEntry:
    return InvalidModelEntry(f"{path} is not a usable ONNX file (byte {at}). Export the model again.")
