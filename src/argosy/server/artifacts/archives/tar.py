"""Tar archives, plain or gzipped, read as a stream.

Source: POSIX.1-2001 (ustar and pax headers) and GNU tar's long names. Only regular files and folders are known; a
link, a device, a sparse file or anything else ends the reading. Python's `tarfile` is not used: it reads headers of any
length into memory, and what its filters let through has been wrong more than once (CVE-2025-4517, CVE-2025-4330).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.archives.limits import Meter

_BLOCK = 512
_CHUNK = 1 << 18
_LARGEST_HEADER = 64 << 10
_REGULAR, _FOLDER = frozenset({b"0", b"\0", b"7"}), b"5"
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"
_KINDS = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe"}
_HARMLESS_PAX = frozenset({"path", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"})


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file.

    Attributes:
        path: as the archive has it; not checked.
        chunks: its content; to be read before the next member is asked for.
    """

    path: str
    size: int
    chunks: Iterator[bytes]


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_tar(file: BinaryIO, name: str, meter: Meter, *, gzipped: bool) -> Iterator[Member]:
    """The regular files of a tar archive, in order.

    Raises:
        InvalidModelEntry: it is damaged, beyond a limit, or holds something else than files and folders.
    """
    stream: _Stream = _Gunzip(file, name) if gzipped else file
    attributes: dict[str, str] = {}
    while (header := _header(stream, name)) is not None:
        meter.members(1)
        kind, size = header[156:157], _number(header[124:136], name)
        if kind in {_PAX, _PAX_GLOBAL, _LONG_NAME}:
            attributes |= _attributes(stream, kind, size, name)
            continue
        path = attributes.pop("path", None) or _path(header, name)
        size = _stated_size(attributes.pop("size", None), size, name)
        attributes.clear()
        if kind == _FOLDER or (kind in _REGULAR and path.endswith("/")):
            if size:
                raise _broken(name, f"the folder {path[:100]!r} has a content")
            continue
        if kind not in _REGULAR:
            what = _KINDS.get(kind, "something else than a file")
            raise InvalidModelEntry(f"{name} holds {path[:200]!r}, {what}; only plain files are taken. Pack it again.")
        meter.bytes(size)
        body = _body(stream, size, name)
        yield Member(path, size, body)
        for _ in body:
            pass
        _exactly(stream, -size % _BLOCK, name)


def _header(stream: _Stream, name: str) -> bytes | None:
    block = _read(stream, _BLOCK)
    if not block.strip(b"\0"):
        return None
    if len(block) < _BLOCK:
        raise _broken(name, "it ends within a header")
    stated = _number(block[148:156], name)
    if stated != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise _broken(name, "a header's checksum is wrong")
    return block


def _path(header: bytes, name: str) -> str:
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    last = header[:100].split(b"\0")[0]
    return _text(prefix + b"/" + last if prefix else last, name)


def _attributes(stream: _Stream, kind: bytes, size: int, name: str) -> dict[str, str]:
    """What a header before a header says about the next member."""
    if size > _LARGEST_HEADER:
        raise _broken(name, f"a header of {size} bytes is longer than {_LARGEST_HEADER}")
    data = _exactly(stream, size, name)
    _exactly(stream, -size % _BLOCK, name)
    if kind == _LONG_NAME:
        return {"path": _text(data.split(b"\0")[0], name)}
    found = dict(_pax(data, name))
    if strangers := [
        key for key in found if key not in _HARMLESS_PAX and not key.startswith(("LIBARCHIVE.", "SCHILY."))
    ]:
        raise _broken(name, f"its headers use {strangers[0][:60]!r}, which plain files do not need")
    if kind == _PAX_GLOBAL:
        if "path" in found or "size" in found:
            raise _broken(name, "a global header gives all files one name or size")
        return {}
    return {key: value for key, value in found.items() if key in {"path", "size"}}


def _pax(data: bytes, name: str) -> Iterator[tuple[str, str]]:
    """Records: a length that counts itself, a blank, key=value and the end of the line."""
    while data:
        digits, space, _ = data.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 6 or not len(digits) + 2 < int(digits) <= len(data):
            raise _broken(name, "an extended header is malformed")
        record, data = data[len(digits) + 1 : int(digits)], data[int(digits) :]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not equals or not record.endswith(b"\n"):
            raise _broken(name, "an extended header is malformed")
        yield _text(key, name), value.decode(errors="replace") if key != b"path" else _text(value, name)


def _stated_size(text: str | None, size: int, name: str) -> int:
    if text is None:
        return size
    if not text.isdecimal() or len(text) > 18:
        raise _broken(name, "an extended header states a size that is no number")
    return int(text)


def _number(field: bytes, name: str) -> int:
    """An octal number, or GNU's binary form for large ones."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits.isdigit() and digits:
        raise _broken(name, "a header holds a number that is none")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise _broken(name, "a header holds a number that is none") from None


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _broken(name, "a name is not UTF-8") from None


def _body(stream: _Stream, size: int, name: str) -> Iterator[bytes]:
    left = size
    while left:
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise _broken(name, "it ends within a file")
        left -= len(chunk)
        yield chunk


def _exactly(stream: _Stream, size: int, name: str) -> bytes:
    data = _read(stream, size)
    if len(data) < size:
        raise _broken(name, "it ends too early")
    return data


def _read(stream: _Stream, size: int) -> bytes:
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _broken(name: str, why: str) -> InvalidModelEntry:
    return InvalidModelEntry(f"{name} is not a usable tar archive: {why}. Pack or download it again.")


class _Gunzip:
    """Inflates in bounded pieces; several gzip members in a row are one stream."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""

    def read(self, size: int, /) -> bytes:
        while True:
            if self._inflate.eof:
                self._pending = self._inflate.unused_data or self._file.read(_CHUNK)
                if not self._pending:
                    return b""
                self._inflate = zlib.decompressobj(wbits=31)
            self._pending = self._pending or self._file.read(_CHUNK)
            try:
                data = self._inflate.decompress(self._pending, size)
            except zlib.error as error:
                raise _broken(self._name, f"its compression is damaged ({error})") from None
            exhausted = not self._pending
            self._pending = self._inflate.unconsumed_tail
            if data:
                return data
            if exhausted and not self._inflate.eof:
                raise _broken(self._name, "its compressed data ends too early")
