"""Which files beside an ONNX file hold its weights.

Source: onnx.proto3 and ONNX's "External Data" page. The protobuf is walked by hand, so that neither the `onnx` package
nor a full parse of a hostile file is needed; all places that can hold a tensor are visited, subgraphs and
functions included.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.source import Source

_MOST_FIELDS = 20_000_000
_DEEPEST = 32
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Message type to {field number: message type of the field}, for every path from ModelProto to a TensorProto.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "external": {},
}


def external_files(path: Path) -> tuple[Path, ...]:
    """The files that hold weights of the ONNX file at `path`, all in its own folder.

    Raises:
        InvalidModelEntry: the file is not ONNX, or a location is not a plain name of a regular file that lies in
            the same folder, has one name only, and is no link out of it.
    """
    try:
        if path.stat().st_size == 0:
            raise InvalidModelEntry(f"{path} is empty; export the model again.")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            locations = sorted(_Walker(data).locations())
    except _Malformed as error:
        raise InvalidModelEntry(f"{path} is not a usable ONNX file: {error}. Export the model again.") from None
    except OSError as error:
        raise InvalidModelEntry(f"{path} cannot be read: {error}.") from error
    return tuple(_checked(path, location) for location in locations)


def _checked(path: Path, location: str) -> Path:
    if location in {"", ".", ".."} or any(character in location for character in "/\\\0"):
        raise InvalidModelEntry(
            f"{path} keeps weights at {location[:200]!r}. Only files in the model's own folder are read: "
            "export it again with a plain file name as the external data location."
        )
    source = Source(path.parent)
    found = source.find(location)
    if found is None:
        raise InvalidModelEntry(f"{path} keeps weights in {path.parent / location}, which is no file; copy it there.")
    # A second name may be anywhere on the disk, so the file may be one that was never meant to be a model.
    if found.stat().st_nlink > 1 and not source.is_cached(found):
        raise InvalidModelEntry(f"{found} is a hard link to a file with other names; replace it by a copy.")
    return found


class _Malformed(Exception):
    """The bytes are not the protobuf they should be."""


class _Walker:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._fields = 0

    def locations(self) -> set[str]:
        """Every external location that any tensor names."""
        found: set[str] = set()
        pending = [("model", 0, len(self._data), 0)]
        while pending:
            kind, start, end, depth = pending.pop()
            if depth > _DEEPEST * 4:
                raise _Malformed(f"its graphs nest deeper than {_DEEPEST}")
            if kind == "external":
                found |= self._location(start, end)
                continue
            children = _MESSAGES[kind]
            for number, first, last in self._submessages(start, end):
                if number in children:
                    pending.append((children[number], first, last, depth + 1))
        return found

    def _location(self, start: int, end: int) -> set[str]:
        entry = {number: self._data[first:last] for number, first, last in self._submessages(start, end)}
        if entry.get(1) != b"location":
            return set()
        return {entry.get(2, b"").decode(errors="replace")}

    def _submessages(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Field number, start and end of each length-delimited field in [at, end)."""
        while at < end:
            self._fields += 1
            if self._fields > _MOST_FIELDS:
                raise _Malformed(f"it has more than {_MOST_FIELDS} fields")
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if wire == _BYTES:
                length, at = self._varint(at, end)
                if length > end - at:
                    raise _Malformed(f"a field at byte {at} passes the end of its message")
                yield number, at, at + length
                at += length
            else:
                at = self._skip(wire, at, end)

    def _skip(self, wire: int, at: int, end: int) -> int:
        if wire == _VARINT:
            return self._varint(at, end)[1]
        if wire not in {_FIXED64, _FIXED32}:
            raise _Malformed(f"wire type {wire} at byte {at} is not used by ONNX")
        at += 8 if wire == _FIXED64 else 4
        if at > end:
            raise _Malformed(f"a field before byte {at} passes the end of its message")
        return at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 64:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value, at
            shift += 7
        raise _Malformed(f"a number at byte {at} does not end")
