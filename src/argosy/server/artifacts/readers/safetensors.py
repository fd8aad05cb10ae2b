"""The header of a safetensors file: names, types and shapes, without the numbers.

Source: the safetensors format (8 bytes little-endian header length, JSON header, data without holes).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from argosy.core.errors import InvalidModelEntry

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits of one number by the format's name of its type."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 16 << 20
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """One tensor.

    Attributes:
        dtype: a key of `BITS`.
    """

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path, types: Collection[str] = tuple(BITS)) -> dict[str, TensorHeader]:
    """The tensors of the file at `path`, by name; the data are not read.

    Args:
        path: of the file.
        types: of numbers that may be in it.

    Raises:
        InvalidModelEntry: not a whole safetensors file, or one with other numbers.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if size < _LENGTH_BYTES or length > min(_LONGEST_HEADER, size - _LENGTH_BYTES):
                raise _broken(path, "its header is longer than the file or than 16 MiB")
            text = file.read(length)
        header = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(header, dict):
        raise _broken(path, "its header is not a JSON mapping")
    header.pop("__metadata__", None)
    tensors, spans = {}, []
    for name, value in header.items():
        tensors[name], span = _tensor(path, name, value, types)
        spans.append(span)
    _check_spans(path, sorted(spans), size - _LENGTH_BYTES - length)
    return tensors


def _tensor(path: Path, name: str, value: Any, types: Collection[str]) -> tuple[TensorHeader, tuple[int, int]]:
    if not isinstance(value, Mapping):
        raise _broken(path, f"{name!r} has no description")
    dtype, shape, span = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in types:
        raise _broken(path, f"{name!r} is of type {str(dtype)[:16]}; it must be one of {', '.join(types)}")
    if not _naturals(shape) or len(shape) > _MOST_DIMENSIONS or not _naturals(span) or len(span) != 2:
        raise _broken(path, f"{name!r} has no usable shape and place")
    if (span[1] - span[0]) * 8 != math.prod(shape) * BITS[dtype]:
        raise _broken(path, f"{name!r} has another size than its shape says")
    return TensorHeader(dtype, tuple(shape)), (span[0], span[1])


def _naturals(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 48 for item in value)


def _check_spans(path: Path, spans: list[tuple[int, int]], size: int) -> None:
    end = 0
    for begin, following in spans:
        if begin != end:
            raise _broken(path, "its tensors overlap or leave holes")
        end = following
    if end != size:
        raise _broken(path, f"it holds {size} bytes of data and describes {end}; copy it again")


def _broken(path: Path, why: str) -> InvalidModelEntry:
    return InvalidModelEntry(f"{path} is not a usable safetensors file: {why}.")
