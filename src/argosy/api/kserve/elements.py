"""Elements of tensors as JSON values, and JSON values as elements.

Source: KServe Open Inference Protocol v2, "Tensor Data": nested as the shape says, or flat in row-major order.
FP16 and BF16 have no JSON form, as in Triton.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from argosy.core.errors import InvalidRequest
from argosy.core.tensors import DATATYPES, RawTensor, Tensor, decode_bytes, raw_dtype

_pack_length = struct.Struct("<I").pack
_BINARY_ONLY = frozenset({"FP16", "BF16"})
_WORDS = {"b": "true or false", "i": "whole numbers", "u": "whole numbers", "f": "numbers", "O": "text"}
_KINDS: dict[str, frozenset[type]] = {
    "b": frozenset({bool}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "f": frozenset({int, float}),
    "O": frozenset({str}),
}


def flatten(data: Any, shape: Sequence[int], at: str) -> list[Any]:
    """The elements of a JSON value in row-major order.

    Args:
        data: a flat list, or lists nested as the shape says.
        shape: of the tensor.
        at: the field, for errors.

    Raises:
        InvalidRequest: the value has another shape, or the wrong number of elements.
    """
    if type(data) is not list:
        raise InvalidRequest(f"'{at}' must be a list of the tensor's elements.", param=at)
    level, depth = data, 1
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list}:
            raise InvalidRequest(f"'{at}' mixes lists and elements.", param=at)
        if depth == 1 and len(level) != (shape[0] if shape else 1):
            raise _misshapen(shape, at)
        if depth >= len(shape) or set(map(len, level)) != {shape[depth]}:
            raise _misshapen(shape, at)
        level, depth = list(chain.from_iterable(level)), depth + 1
    if level and 1 < depth < len(shape):
        raise _misshapen(shape, at)
    count = math.prod(shape)
    if len(level) != count:
        raise InvalidRequest(f"'{at}' has {len(level)} elements; the shape {list(shape)} needs {count}.", param=at)
    return level


def encode_elements(datatype: str, values: list[Any], at: str) -> bytes:
    """JSON values as a tensor's data in the form it travels.

    Args:
        datatype: KServe v2 name, a known one.
        values: flat.
        at: the field, for errors.

    Raises:
        InvalidRequest: the type has no JSON form, or a value is not of it or out of its range.
    """
    if datatype in _BINARY_ONLY:
        raise InvalidRequest(
            f"'{at}': {datatype} has no JSON form. Send it as binary data (binary_data_size).", param=at
        )
    dtype = DATATYPES[datatype]
    allowed = _KINDS[dtype.kind]
    if not allowed.issuperset(set(map(type, values))):
        index = next(index for index, value in enumerate(values) if type(value) not in allowed)
        raise InvalidRequest(f"'{at}[{index}]': {datatype} takes {_WORDS[dtype.kind]}.", param=f"{at}[{index}]")
    return _ENCODERS[dtype.kind](values, dtype, at)


def decode_elements(tensor: RawTensor, name: str) -> Tensor | list[str]:
    """A tensor's elements as what JSON can hold: a flat array of numbers or booleans, or a list of texts.

    Raises:
        InvalidRequest: the tensor's type, or one of its values, has no JSON form; the message says to ask for binary.
    """
    if tensor.datatype in _BINARY_ONLY:
        raise _ask_for_binary(name, f"is {tensor.datatype}")
    if tensor.datatype == "BYTES":
        try:
            return [item.decode() for item in decode_bytes(tensor.data)]
        except UnicodeDecodeError:
            raise _ask_for_binary(name, "holds bytes that are not UTF-8") from None
    array = np.frombuffer(tensor.data, dtype=raw_dtype(tensor.datatype))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _ask_for_binary(name, "holds a NaN or an infinity")
    return array


def _encode_texts(values: list[str], _dtype: np.dtype[Any], _at: str) -> bytes:
    parts: list[bytes] = []
    for value in values:
        data = value.encode()
        parts += (_pack_length(len(data)), data)
    return b"".join(parts)


def _encode_flags(values: list[bool], dtype: np.dtype[Any], _at: str) -> bytes:
    return np.array(values, dtype=dtype).tobytes()


def _encode_integers(values: list[int], dtype: np.dtype[Any], at: str) -> bytes:
    limits = np.iinfo(dtype)
    if values and not limits.min <= min(values) <= max(values) <= limits.max:
        index = next(index for index, value in enumerate(values) if not limits.min <= value <= limits.max)
        raise _out_of_range(at, index, limits.min, limits.max)
    return np.array(values, dtype=dtype).tobytes()


def _encode_numbers(values: list[int | float], dtype: np.dtype[Any], at: str) -> bytes:
    largest = float(np.finfo(dtype).max)
    try:
        # Through FP64, so that a number too large for FP32 is seen before it has become an infinity.
        array = np.array(values, dtype=np.float64)
        fits = bool((np.abs(array) <= largest).all())
    except OverflowError:
        fits = False
    if not fits:
        index = next(index for index, value in enumerate(values) if not -largest <= value <= largest)
        raise _out_of_range(at, index, -largest, largest)
    return array.astype(dtype).tobytes()


_ENCODERS: dict[str, Callable[[list[Any], np.dtype[Any], str], bytes]] = {
    "b": _encode_flags,
    "i": _encode_integers,
    "u": _encode_integers,
    "f": _encode_numbers,
    "O": _encode_texts,
}


def _misshapen(shape: Sequence[int], at: str) -> InvalidRequest:
    return InvalidRequest(f"'{at}' must be flat, or nested as the shape {list(shape)} says.", param=at)


def _out_of_range(at: str, index: int, least: float, most: float) -> InvalidRequest:
    return InvalidRequest(f"'{at}[{index}]' must be from {least} to {most}.", param=f"{at}[{index}]")


def _ask_for_binary(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The output '{name}' {what}, which JSON cannot carry. Ask for it with the parameter binary_data.",
        param="outputs",
    )
