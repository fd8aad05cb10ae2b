"""A GGUF file without its weights.

The library's tokenizer reads every weight of a GGUF file to get at the vocabulary, which costs seconds and, for that
time, as much memory as the model. It is given a copy of the file's metadata alone instead.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3, little-endian: magic, version, number of
tensors, number of key-value pairs, the pairs, then descriptions of tensors and their data.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from argosy.core.errors import InvalidModelEntry

_HEADER = struct.Struct("<4sIQQ")
_LENGTH = struct.Struct("<Q")
_KIND = struct.Struct("<I")
_ARRAY = struct.Struct("<IQ")
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _LIST = 8, 9
_OTHER_FILES = b"split."
"""Keys that name further files of the model; a copy without weights has none."""


def without_weights(path: Path) -> bytes:
    """The content of a GGUF file with the same metadata and no tensors.

    Raises:
        InvalidModelEntry: the file is no GGUF file, or ends too early.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _copy(data)
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise InvalidModelEntry(f"{path} is not a whole GGUF file ({error}); fetch it again.") from error


def _copy(data: mmap.mmap) -> bytes:
    magic, version, _, pairs = _HEADER.unpack_from(data, 0)
    if magic != b"GGUF":
        raise ValueError("its first bytes are not 'GGUF'")
    kept, offset = [], _HEADER.size
    for _ in range(pairs):
        key = offset
        offset = _past_string(data, key)
        (kind,) = _KIND.unpack_from(data, offset)
        offset = _past_value(data, offset + _KIND.size, kind)
        if offset > len(data):
            raise IndexError("its metadata is cut off")
        pair = data[key:offset]
        if not pair[_LENGTH.size :].startswith(_OTHER_FILES):
            kept.append(pair)
    return b"".join([_HEADER.pack(magic, version, 0, len(kept)), *kept])


def _past_value(data: mmap.mmap, offset: int, kind: int) -> int:
    if kind == _STRING:
        return _past_string(data, offset)
    if kind != _LIST:
        return offset + _SIZES[kind]
    element, count = _ARRAY.unpack_from(data, offset)
    offset += _ARRAY.size
    if element != _STRING:
        return offset + int(count) * _SIZES[element]
    for _ in range(count):
        offset = _past_string(data, offset)
    return offset


def _past_string(data: mmap.mmap, offset: int) -> int:
    (length,) = _LENGTH.unpack_from(data, offset)
    return offset + _LENGTH.size + int(length)
