"""The header of a safetensors file: names, types and shapes, without the numbers.

Source: the safetensors format (8 bytes little-endian header length, JSON header, data without holes).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from argosy.core.errors import InvalidModelEntry

_LENGTH_BYTES = 8
_LONGEST_HEADER = 16 << 20
_MOST_DIMENSIONS = 8
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """One tensor.

    Attributes:
        dtype: `F32`, `F16` or `BF16`.
    """

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, TensorHeader]:
    """The tensors of the file at `path`, by name; the data are not read.

    Raises:
        InvalidModelEntry: not a whole safetensors file, or one with numbers that are not floating point.
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
        tensors[name], span = _tensor(path, name, value)
        spans.append(span)
    _check_spans(path, sorted(spans), size - _LENGTH_BYTES - length)
    return tensors


def _tensor(path: Path, name: str, value: Any) -> tuple[TensorHeader, tuple[int, int]]:
    if not isinstance(value, Mapping):
        raise _broken(path, f"{name!r} has no description")
    dtype, shape, span = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise _broken(path, f"{name!r} is of type {str(dtype)[:16]}; an adapter holds F32, F16 or BF16")
    if not _naturals(shape) or len(shape) > _MOST_DIMENSIONS or not _naturals(span) or len(span) != 2:
        raise _broken(path, f"{name!r} has no usable shape and place")
    if span[1] - span[0] != math.prod(shape) * _BYTES[dtype]:
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
