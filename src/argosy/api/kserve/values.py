"""Plain JSON values as input tensors, by what the model says of its inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from argosy.api.kserve.elements import encode_elements
from argosy.core.errors import InvalidRequest
from argosy.core.tensors import RawTensor


def input_tensor(datatype: str, wanted: Sequence[int], value: Any, at: str) -> RawTensor:
    """The tensor that a value or a flat list of values spells.

    Args:
        datatype: KServe v2 name.
        wanted: the input's shape in the model's metadata, -1 for any size.
        value: decoded JSON.
        at: the field, for errors.

    Raises:
        InvalidRequest: the value is nested, of another type, or out of range.
    """
    values = value if type(value) is list else [value]
    if any(type(item) in {list, dict} for item in values):
        raise InvalidRequest(f"'{at}' must be a value or a flat list of values.", param=at)
    return RawTensor(datatype, shape_of(wanted, len(values)), encode_elements(datatype, values, at))


def shape_of(wanted: Sequence[int], count: int) -> tuple[int, ...]:
    """The shape of `count` elements that comes nearest to the one wanted.

    Free dimensions are 1 except the last of them, which takes all there is; where that does not come out even the
    shape is flat, and the runtime says what is wrong with it.
    """
    free = [place for place, size in enumerate(wanted) if size == -1]
    fixed = math.prod(size for size in wanted if size != -1)
    shape = [1 if size == -1 else size for size in wanted]
    if free and fixed and count % fixed == 0:
        shape[free[-1]] = count // fixed
    return tuple(shape) if wanted and math.prod(shape) == count else (count,)
