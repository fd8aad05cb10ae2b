"""Triton's classification extension: the highest values of an output instead of the output.

Source: Triton's `protocol/extension_classification.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from argosy.core.errors import InvalidRequest
from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferRequest, Parameter

CLASSIFICATION = "classification"
"""The output parameter that asks for it."""

CLASSIFIABLE = frozenset(
    ("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"),
)
"""The types Triton can rank. Asked to rank BYTES, Triton 2.51 ends."""

_MOST = (1 << 31) - 1


def wanted_classes(request: InferRequest) -> dict[str, int]:
    """How many classes are asked for, by output.

    Raises:
        InvalidRequest: the number is not one; `param` is the output.
    """
    return {
        name: _count(name, parameters[CLASSIFICATION])
        for name, parameters in request.output_parameters.items()
        if CLASSIFICATION in parameters and name in request.outputs
    }


def check_classifiable(name: str, datatype: str) -> None:
    """Refuse an output that cannot be ranked.

    Raises:
        InvalidRequest: its type has no order; `param` is the output.
    """
    if datatype not in CLASSIFIABLE:
        raise InvalidRequest(f"The output {name!r} has type {datatype}, which cannot be classified.", param=name)


def top_classes(tensor: Tensor, count: int, *, batched: bool, labels: Sequence[str] = ()) -> Tensor:
    """BYTES `value:index[:label]` of the highest values, highest first.

    Args:
        tensor: numbers.
        count: at most so many.
        batched: whether the first dimension is the batch.
        labels: names of the indices, as far as they have one.

    Returns:
        Shape [batch, n], or [n] without a batch.
    """
    rows = tensor.reshape(tensor.shape[0], -1) if batched and tensor.size else tensor.reshape(1, -1)
    length = min(count, rows.shape[1])
    found = np.empty((len(rows), length), dtype=np.object_)
    for row, values in enumerate(rows.tolist()):
        order = sorted(range(len(values)), key=values.__getitem__, reverse=True)[:length]
        found[row] = [_class(values[index], index, labels) for index in order]
    if batched:
        return found if tensor.size else np.empty((tensor.shape[0], 0), dtype=np.object_)
    first: Tensor = found[0]
    return first


def _count(name: str, value: Parameter) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MOST:
        raise InvalidRequest(
            f"The parameter 'classification' of the output {name!r} must be a whole number from 1 on.", param=name
        )
    return value


def _class(value: float, index: int, labels: Sequence[str]) -> bytes:
    shown = f"{value:f}" if isinstance(value, float) else str(value)
    label = f":{labels[index]}" if index < len(labels) else ""
    return f"{shown}:{index}{label}".encode()
