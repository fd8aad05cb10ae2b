"""What the statistics take: numbers and arrays, checked once at the border so that no formula meets a NaN."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argosy.core.errors import InvalidRequest

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def floats(values: ArrayLike, param: str, *, dimensions: int = 1) -> Floats:
    """`values` as FP64 of so many dimensions.

    Raises:
        InvalidRequest: not numbers, another number of dimensions, or a value that is not finite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"'{param}' holds something that is not a number.", param=param) from error
    if array.ndim != dimensions:
        raise InvalidRequest(f"'{param}' has {array.ndim} dimensions; give {dimensions}.", param=param)
    unusable = array.size - int(np.isfinite(array).sum())
    if unusable:
        raise InvalidRequest(f"'{param}' holds {unusable} values that are not finite; leave them out.", param=param)
    return array


def integers(values: ArrayLike, param: str, *, dimensions: int = 1) -> Counts:
    """`values` as INT64.

    Raises:
        InvalidRequest: as `floats`, or a value with a fraction or beyond 2^53, where FP64 stops telling neighbours
            apart.
    """
    array = floats(values, param, dimensions=dimensions)
    if bool((array != np.floor(array)).any()) or bool((np.abs(array) > 2.0**53).any()):
        raise InvalidRequest(f"'{param}' holds a value that is not a whole number.", param=param)
    return array.astype(np.int64)


def counts(values: ArrayLike, param: str, *, least: int = 0, dimensions: int = 1) -> Counts:
    """`values` as INT64, none below `least`.

    Raises:
        InvalidRequest: as `integers`, or a smaller value.
    """
    array = integers(values, param, dimensions=dimensions)
    if array.size and int(array.min()) < least:
        raise InvalidRequest(f"'{param}' holds {int(array.min())}; the least is {least}.", param=param)
    return array


def flags(values: ArrayLike, param: str) -> NDArray[np.bool_]:
    """`values`, all of them true, false, 0 or 1, as BOOL.

    Raises:
        InvalidRequest: any other value, or more than one dimension.
    """
    array = integers(values, param)
    if bool(((array != 0) & (array != 1)).any()):
        raise InvalidRequest(f"'{param}' holds a value other than true and false.", param=param)
    return array.astype(np.bool_)


def count(value: int, param: str, *, least: int = 0) -> int:
    """`value`, when it is a whole number of at least `least`.

    Raises:
        InvalidRequest: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidRequest(f"'{param}' is {value!r}; give a whole number of at least {least}.", param=param)
    return int(value)


def positive(value: float, param: str) -> float:
    """`value`, when it is finite and above zero.

    Raises:
        InvalidRequest: otherwise.
    """
    if not (math.isfinite(value) and value > 0):
        raise InvalidRequest(f"'{param}' is {value!r}; give a finite number above 0.", param=param)
    return float(value)


def not_negative(value: float, param: str) -> float:
    """`value`, when it is finite and at least zero.

    Raises:
        InvalidRequest: otherwise.
    """
    if not (math.isfinite(value) and value >= 0):
        raise InvalidRequest(f"'{param}' is {value!r}; give a finite number of at least 0.", param=param)
    return float(value)


def inside_unit(value: float, param: str) -> float:
    """`value`, when it lies between 0 and 1, both left out.

    Raises:
        InvalidRequest: otherwise.
    """
    if not 0.0 < value < 1.0:
        raise InvalidRequest(f"'{param}' is {value!r}; give a number between 0 and 1, both left out.", param=param)
    return float(value)


def same_length(param: str, *arrays: NDArray[np.generic]) -> None:
    """Check that the arrays are of one length.

    Raises:
        InvalidRequest: they are not; `param` names the one to correct.
    """
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise InvalidRequest(
            f"'{param}' is not as long as what it goes with: {' and '.join(map(str, lengths))} values.", param=param
        )
