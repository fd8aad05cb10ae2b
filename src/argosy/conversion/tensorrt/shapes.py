"""Optimisation profiles: the smallest, the usual and the largest shape of every input of a network.

Source: TensorRT's developer guide, "Working with dynamic shapes". TensorRT picks its kernels for the usual shape; what
a request may have lies between the other two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from argosy.core.errors import InvalidSetting

OPEN = -1
"""A dimension that a request decides."""


@dataclass(frozen=True, slots=True)
class ShapeRange:
    """What one input may look like.

    Attributes:
        smallest, usual, largest: shapes with the batch dimension; equal where a dimension is fixed.
    """

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]


def shape_ranges(
    inputs: Mapping[str, Sequence[int]],
    samples: Iterable[Mapping[str, Sequence[int]]],
    max_batch: int,
    max_dimension: int | None = None,
) -> dict[str, ShapeRange]:
    """The range of every input with an open dimension; empty when there is none.

    An open first dimension counts rows: 1 to `max_batch`, half of which is usual, because a batch is seldom full. Any
    other open dimension goes from 1 to the largest of the samples, or to `max_dimension`; the samples' median is usual.

    Args:
        inputs: shape of each input, -1 where it is open.
        samples: shapes of the samples' arrays by input.
        max_batch: most rows in one execution.
        max_dimension: most of any other open dimension; None takes what the samples show.

    Raises:
        InvalidSetting: an open dimension of which no sample shows a size, or a limit below what the samples need.
    """
    seen = list(samples)
    return {
        name: _range(
            name, tuple(shape), [tuple(sample[name]) for sample in seen if name in sample], max_batch, max_dimension
        )
        for name, shape in inputs.items()
        if OPEN in shape
    }


def trtexec_shapes(ranges: Mapping[str, ShapeRange]) -> list[str]:
    """`--minShapes=x:1x3,y:1 --optShapes=… --maxShapes=…`; nothing for a network without open dimensions."""
    if not ranges:
        return []
    sides = {
        "min": {name: each.smallest for name, each in ranges.items()},
        "opt": {name: each.usual for name, each in ranges.items()},
        "max": {name: each.largest for name, each in ranges.items()},
    }
    return [
        f"--{side}Shapes={','.join(shape_text(name, shape) for name, shape in shapes.items())}"
        for side, shapes in sides.items()
    ]


def shape_text(name: str, shape: tuple[int, ...]) -> str:
    """`x:1x3x224x224`."""
    return f"{name}:{'x'.join(map(str, shape))}"


def _range(
    name: str, shape: tuple[int, ...], seen: list[tuple[int, ...]], max_batch: int, max_dimension: int | None
) -> ShapeRange:
    sides = [_side(name, place, shape, seen, max_batch, max_dimension) for place in range(len(shape))]
    smallest, usual, largest = zip(*sides, strict=True)
    return ShapeRange(smallest, usual, largest)


def _side(
    name: str,
    place: int,
    shape: tuple[int, ...],
    seen: list[tuple[int, ...]],
    max_batch: int,
    max_dimension: int | None,
) -> tuple[int, int, int]:
    size = shape[place]
    if size != OPEN:
        return size, size, size
    if place == 0:
        return 1, max(1, max_batch // 2), max_batch
    sizes = [each[place] for each in seen if len(each) == len(shape)]
    most = max_dimension if max_dimension is not None else max(sizes, default=0)
    if not most:
        raise InvalidSetting(
            f"Dimension {place} of the input {name!r} is open, and no sample shows its sizes; say --max-dimension."
        )
    if sizes and max(sizes) > most:
        raise InvalidSetting(
            f"--max-dimension {most}: dimension {place} of the input {name!r} is {max(sizes)} in the samples; say at "
            "least that."
        )
    return 1, round(median(sizes)) if sizes else max(1, most // 2), most
