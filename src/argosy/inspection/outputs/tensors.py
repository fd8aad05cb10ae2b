"""Reading a model's output tensors: what is taken has the shape, type and range that the adapter was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor

Pattern = tuple[int | str, ...]
"""Shape of a tensor: a number is exact, a word stands for any size and says what is counted. There is at least one of
whatever is counted, but for those of `_MAY_BE_NONE`."""
Patterns = tuple[Pattern, ...]
"""Shapes of which a tensor may have any."""

_MAY_BE_NONE = frozenset({"N", "boxes", "anchors", "queries"})
_SLACK = 2e-3
"""How far a probability may leave 0 to 1: two steps of FP16 at 1, in which many networks run."""


def fits(shape: Sequence[int], patterns: Patterns) -> bool:
    """Whether a tensor of that shape matches one of the patterns; a negative size is one nobody knows yet."""
    return any(
        len(shape) == len(pattern) and all(_size_fits(size, want) for size, want in zip(shape, pattern, strict=True))
        for pattern in patterns
    )


def describe(patterns: Patterns) -> str:
    """The patterns in words: `[N, 1, height, width] or [N, height, width]`."""
    return " or ".join(f"[{', '.join(str(size) for size in pattern)}]" for pattern in patterns)


def numbers(tensors: Mapping[str, Tensor], name: str, patterns: Patterns) -> NDArray[np.float32]:
    """The tensor of that name as FP32, every number finite.

    Args:
        tensors: what the model answered, by name.
        name: of the tensor, also in errors.
        patterns: the shapes it may have.

    Raises:
        EngineError: the tensor is missing, holds other than numbers, has another shape, or holds NaN or infinity;
            `param` is the name.
    """
    values = _shaped(tensors, name, patterns)
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.asarray(values, dtype=np.float32)
        # The extremes show NaN and infinity, and cost a fraction of looking at each number.
        finite = result.size == 0 or bool(np.isfinite(result.min()) and np.isfinite(result.max()))
    if not finite:
        raise EngineError(f"The model's output {name!r} holds NaN or infinity.", param=name)
    return result


def probabilities(tensors: Mapping[str, Tensor], name: str, patterns: Patterns) -> NDArray[np.float32]:
    """The tensor of that name as FP32, every number a probability. The arguments are those of `numbers`.

    Raises:
        EngineError: as `numbers`, or a number is outside of 0 to 1 by more than rounding.
    """
    values = numbers(tensors, name, patterns)
    check_probabilities(values, name)
    return values


def check_probabilities(values: NDArray[np.float32], name: str) -> None:
    """Refuse numbers outside of 0 to 1 by more than rounding.

    Raises:
        EngineError: there is one; `param` is the name.
    """
    if values.size and (values.min() < -_SLACK or values.max() > 1 + _SLACK):
        worst = values.max() if values.max() > 1 + _SLACK else values.min()
        raise EngineError(
            f"The model's output {name!r} holds {worst:.4g} where a probability from 0 to 1 belongs. Correct 'output' "
            "in inspect.yaml when these are logits or have another range.",
            param=name,
        )


def flags(tensors: Mapping[str, Tensor], name: str, patterns: Patterns) -> NDArray[np.bool_]:
    """The tensor of that name as yes or no: above one half is yes. The arguments are those of `numbers`.

    Raises:
        EngineError: as `numbers`.
    """
    return numbers(tensors, name, patterns) > 0.5


def class_numbers(values: NDArray[np.float32], count: int, name: str) -> NDArray[np.intp]:
    """Class numbers that came as floating-point numbers.

    Raises:
        EngineError: one is not a whole number from 0 to count - 1; `param` is the name.
    """
    wrong = (values < 0) | (values >= count) | (values != np.floor(values))
    if wrong.any():
        raise EngineError(
            f"The model's output {name!r} holds the class {values[wrong][0]:.6g}; 'output.classes' in inspect.yaml "
            f"names {count}, numbered from 0.",
            param=name,
        )
    return values.astype(np.intp)


def check_batch(arrays: Mapping[str, Tensor]) -> None:
    """Refuse tensors of one answer that disagree about the number of images, their first dimension.

    Raises:
        EngineError: two differ; `param` is the name of the second.
    """
    (first, size), *rest = ((name, array.shape[0]) for name, array in arrays.items())
    for name, other in rest:
        if other != size:
            raise EngineError(
                f"The model's outputs {first!r} and {name!r} are for {size} and {other} images.", param=name
            )


def _size_fits(size: int, want: int | str) -> bool:
    if isinstance(want, int):
        return size in {want, -1}
    return size != 0 or want in _MAY_BE_NONE


def _shaped(tensors: Mapping[str, Tensor], name: str, patterns: Patterns) -> Tensor:
    values = tensors.get(name)
    if values is None:
        raise EngineError(
            f"The model gave no output {name!r}; it gave {', '.join(sorted(tensors)) or 'none'}.", param=name
        )
    if values.dtype.kind not in "fiub":
        raise EngineError(f"The model's output {name!r} holds no numbers.", param=name)
    if not fits(values.shape, patterns):
        raise EngineError(
            f"The model's output {name!r} has the shape {list(values.shape)}; {describe(patterns)} was expected. "
            "Correct 'output' in inspect.yaml.",
            param=name,
        )
    return values
