"""KServe v2 tensor types and their NumPy equivalents.

Source: KServe Open Inference Protocol v2, "Tensor Data Types". BYTES tensors are object arrays whose elements
are `bytes`; BF16 has no NumPy type and travels as raw little-endian `uint16`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest

Tensor = NDArray[Any]
"""Any array this module can name. BYTES tensors have dtype object and hold `bytes`."""

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
_RAW_DTYPES = {**DATATYPES, "BF16": np.dtype(np.uint16)}
_LENGTH = struct.Struct("<I")
_pack = _LENGTH.pack
_unpack = _LENGTH.unpack_from
_MOST_DIMENSIONS = 32
_LONGEST_DIMENSION = (1 << 31) - 1
_MOST_TEXTS = 1 << 18


@dataclass(frozen=True, slots=True)
class RawTensor:
    """A tensor as it travels: nobody has looked inside.

    Attributes:
        datatype: KServe v2 name, BF16 included.
        data: elements in row-major order, little-endian; BYTES elements each after their length as a little-endian
            32-bit integer. A memoryview is one of single bytes.
    """

    datatype: str
    shape: tuple[int, ...]
    data: bytes | memoryview


def datatype_of(tensor: Tensor) -> str:
    """The KServe v2 name of an array's type.

    Raises:
        InvalidRequest: the array's dtype has no KServe v2 name.
    """
    if tensor.dtype.kind in "SU":
        return "BYTES"
    try:
        return _NAMES[tensor.dtype]
    except KeyError:
        raise InvalidRequest(f"A tensor of NumPy type {tensor.dtype} has no KServe v2 data type.") from None


def raw_of(tensor: Tensor, name: str = "") -> RawTensor:
    """The array as it travels.

    Args:
        tensor: any array `datatype_of` can name, in any memory order.
        name: of the tensor, for errors.

    Raises:
        InvalidRequest: the array's dtype has no KServe v2 name, or an object array holds more than bytes and text.
    """
    datatype = datatype_of(tensor)
    data = encode_bytes(tensor, name) if datatype == "BYTES" else tensor.tobytes()
    return RawTensor(datatype, tensor.shape, data)


def tensor_of(raw: RawTensor, name: str = "") -> Tensor:
    """The array that travelled; numeric arrays are read-only views of its bytes, BF16 is `uint16`.

    Raises:
        InvalidRequest: the data contradicts the shape; `param` is the name.
    """
    check_raw(raw, name)
    if raw.datatype == "BYTES":
        return decode_bytes(raw.data).reshape(raw.shape)
    view = np.frombuffer(raw.data, dtype=_RAW_DTYPES[raw.datatype]).reshape(raw.shape)
    view.flags.writeable = False
    return view


def raw_dtype(datatype: str) -> np.dtype[Any]:
    """The NumPy type whose elements a `RawTensor` of `datatype` holds; BF16 is `uint16`.

    Raises:
        KeyError: KServe v2 has no such type.
    """
    return _RAW_DTYPES[datatype]


def check_raw(raw: RawTensor, name: str = "") -> None:
    """Refuse a tensor whose data contradicts its type and shape. No element is copied.

    Raises:
        InvalidRequest: unknown type, impossible shape, or a wrong number of bytes or elements; `param` is the name.
    """
    dtype = _RAW_DTYPES.get(raw.datatype)
    if dtype is None:
        raise InvalidRequest(f"The tensor {name!r} has an unknown datatype. Use one of {_known()}.", param=name)
    count = element_count(raw.shape, name)
    if dtype.hasobject:
        if count > _MOST_TEXTS:
            raise InvalidRequest(f"The tensor {name!r} may have {_MOST_TEXTS} BYTES elements at most.", param=name)
        found = count_bytes(raw.data, count)
        if found != count:
            raise InvalidRequest(
                f"The data of the tensor {name!r} must be {count} BYTES elements, each after its length as a "
                "little-endian 32-bit integer.",
                param=name,
            )
    elif len(raw.data) != count * dtype.itemsize:
        raise InvalidRequest(
            f"The tensor {name!r} has {len(raw.data)} bytes of data; its shape and datatype {raw.datatype} need "
            f"{count * dtype.itemsize}.",
            param=name,
        )


def element_count(shape: tuple[int, ...], name: str = "") -> int:
    """Elements of a tensor of that shape, in integers that cannot overflow.

    Raises:
        InvalidRequest: a dimension is negative or absurd, or there are too many; `param` is the name.
    """
    if len(shape) > _MOST_DIMENSIONS:
        raise InvalidRequest(
            f"The tensor {name!r} has {len(shape)} dimensions and may have {_MOST_DIMENSIONS}.", param=name
        )
    count = span = 1
    for size in shape:
        if not 0 <= size <= _LONGEST_DIMENSION:
            raise InvalidRequest(
                f"The tensor {name!r} has the dimension {size}; a dimension is 0 to {_LONGEST_DIMENSION}.", param=name
            )
        count *= size
        span *= max(size, 1)
    if span > _LONGEST_DIMENSION:
        # Arrays without elements are of that size to NumPy, whose refusal would end the model's process.
        raise InvalidRequest(
            f"The tensor {name!r} has dimensions other than 0 that multiply to {span}; "
            f"{_LONGEST_DIMENSION} is the most.",
            param=name,
        )
    return count


def encode_bytes(tensor: Tensor, name: str = "") -> bytes:
    """The elements of a BYTES tensor in row-major order, each after its length.

    Raises:
        InvalidRequest: an element is neither bytes nor text; `param` is the name.
    """
    parts: list[bytes] = []
    for item in tensor.ravel().tolist():
        try:
            data = item.encode() if isinstance(item, str) else item
            parts += (_pack(len(data)), data)
        except (TypeError, UnicodeEncodeError):
            raise InvalidRequest(f"The tensor {name!r} must hold bytes or text only.", param=name) from None
    try:
        return b"".join(parts)
    except TypeError:
        raise InvalidRequest(f"The tensor {name!r} must hold bytes or text only.", param=name) from None


def decode_bytes(data: bytes | memoryview) -> Tensor:
    """A flat object array of the elements in `data`.

    Raises:
        ValueError: a length points past the end.
        struct.error: a length is cut short.
    """
    items: list[bytes] = []
    raw = bytes(data)
    at, end = 0, len(raw)
    while at < end:
        start = at + 4
        at = start + _unpack(raw, at)[0]
        items.append(raw[start:at])
    if at != end:
        raise ValueError("a BYTES element is longer than its tensor")
    tensor = np.empty(len(items), dtype=np.object_)
    tensor[:] = items
    return tensor


def count_bytes(data: bytes | memoryview, most: int = 1 << 62) -> int:
    """Elements in the data of a BYTES tensor; -1 when a length points past the end, or there are more than `most`."""
    count = at = 0
    end = len(data)
    while at + 4 <= end and count < most:
        at += 4 + _unpack(data, at)[0]
        count += 1
    return count if at == end else -1


def text_tensor(texts: list[str]) -> Tensor:
    """A BYTES tensor of shape [len(texts), 1] holding UTF-8."""
    tensor = np.empty((len(texts), 1), dtype=np.object_)
    for row, text in enumerate(texts):
        tensor[row, 0] = text.encode()
    return tensor


def _known() -> str:
    return ", ".join(_RAW_DTYPES)
