"""KServe v2 tensor types and their NumPy equivalents.

Source: KServe Open Inference Protocol v2, "Tensor Data Types". BYTES tensors are object arrays whose elements
are `bytes`; BF16 has no NumPy type and travels as raw little-endian `uint16`.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class RawTensor:
    """A tensor as it travels: nobody has looked inside.

    Attributes:
        datatype: KServe v2 name, BF16 included.
        data: elements in row-major order, little-endian; BYTES elements each after their length as a little-endian
            32-bit integer.
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


def text_tensor(texts: list[str]) -> Tensor:
    """A BYTES tensor of shape [len(texts), 1] holding UTF-8."""
    tensor = np.empty((len(texts), 1), dtype=np.object_)
    for row, text in enumerate(texts):
        tensor[row, 0] = text.encode()
    return tensor
