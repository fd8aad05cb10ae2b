"""The metadata at the head of a GGUF file.

Source: ggml's `docs/gguf.md`, versions 2 and 3. Only the key-value section is read; tensors are not touched. Every
count and length is checked against what is left of the file and against fixed limits before it is used.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_KEYS = 10_000
_MOST_TENSORS = 1_000_000
_MOST_ELEMENTS = 4_000_000
_LONGEST_KEY = 65_535
_LONGEST_STRING = 4 << 20
_LARGEST_HEADER = 256 << 20
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_FILE_TYPES = {
    0: "fp32",
    1: "fp16",
    2: "q4_0",
    3: "q4_1",
    7: "q8_0",
    14: "q4_k_s",
    15: "q4_k_m",
    18: "q6_k",
    32: "bf16",
}


@dataclass(frozen=True, slots=True)
class Strings:
    """An array of strings, held as raw bytes and decoded one by one."""

    items: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.items)

    def get(self, index: int) -> str:
        """The string at `index`, or an empty one when there is none."""
        return self.items[index].decode(errors="replace") if 0 <= index < len(self.items) else ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The key-value section.

    Attributes:
        values: scalars and strings by key; arrays of strings as `Strings`; arrays of numbers are skipped.
    """

    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The string at `key`; empty when it is absent or something else."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """The whole number at `key`, or None when it is absent or something else."""
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def strings(self, key: str) -> Strings:
        """The array of strings at `key`; empty when it is absent or something else."""
        value = self.values.get(key)
        return value if isinstance(value, Strings) else Strings(())

    @property
    def stored(self) -> str:
        """How most weights are stored, as ggml's `llama_ftype` names it; "gguf" for one without a name here."""
        return _FILE_TYPES.get(self.number("general.file_type") or 0, "gguf")


def read_metadata(path: Path) -> Metadata:
    """The key-value section of the GGUF file at `path`.

    Raises:
        InvalidModelEntry: it is not GGUF, of another version or byte order, cut short, or beyond a limit.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return Metadata(_Reader(data).metadata())
    except _Malformed as error:
        raise InvalidModelEntry(f"{path} is not a usable GGUF file: {error}. Download or export it again.") from None
    except (OSError, ValueError) as error:
        raise InvalidModelEntry(f"{path} cannot be read as GGUF: {error}.") from error


class _Malformed(Exception):
    """The bytes break the format; the text says where."""


class _Reader:
    """A position in the header. Every read is checked against the end of the file and of the allowed header."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._end = min(len(data), _LARGEST_HEADER)
        self._at = 0
        self._elements = 0

    def metadata(self) -> dict[str, Any]:
        if self._take(4) != _MAGIC:
            raise _Malformed("it does not begin with 'GGUF'")
        version = self._scalar("<I")
        if version not in _VERSIONS:
            raise _Malformed(f"format version {version} is not 2 or 3, or the file is big-endian")
        if self._scalar("<Q") > _MOST_TENSORS:
            raise _Malformed(f"it claims more than {_MOST_TENSORS} tensors")
        keys = self._scalar("<Q")
        if keys > _MOST_KEYS:
            raise _Malformed(f"it claims {keys} metadata keys, more than {_MOST_KEYS}")
        values: dict[str, Any] = {}
        for _ in range(keys):
            key = self._string(_LONGEST_KEY).decode(errors="replace")
            if key in values:
                raise _Malformed(f"the key {key[:80]!r} appears twice")
            values[key] = self._value(self._scalar("<I"))
        return values

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string(_LONGEST_STRING).decode(errors="replace")
        if kind == _ARRAY:
            return self._array()
        return self._scalar(_format(kind))

    def _array(self) -> Strings | None:
        kind, count = self._scalar("<I"), self._scalar("<Q")
        self._elements += count
        if self._elements > _MOST_ELEMENTS:
            raise _Malformed(f"its arrays hold more than {_MOST_ELEMENTS} elements")
        if kind == _STRING:
            return Strings(tuple(self._string(_LONGEST_STRING) for _ in range(count)))
        if kind == _ARRAY:
            raise _Malformed("it nests arrays, which no model file needs")
        self._skip(struct.calcsize(_format(kind)) * count)
        return None

    def _string(self, limit: int) -> bytes:
        length = self._scalar("<Q")
        if length > limit:
            raise _Malformed(f"a text of {length} bytes is longer than {limit}")
        return self._take(length)

    def _scalar(self, form: str) -> Any:
        size = struct.calcsize(form)
        (value,) = struct.unpack(form, self._take(size))
        return value

    def _take(self, size: int) -> bytes:
        start = self._at
        self._skip(size)
        return self._data[start : self._at]

    def _skip(self, size: int) -> None:
        if size > self._end - self._at:
            raise _Malformed(f"it ends, or its metadata passes {_LARGEST_HEADER >> 20} MiB, at byte {self._end}")
        self._at += size


def _format(kind: int) -> str:
    try:
        return _SCALARS[kind]
    except KeyError:
        raise _Malformed(f"the value type {kind} is unknown") from None
