"""Greedy non-maximum suppression of boxes, class by class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor


def suppress(boxes: Tensor, scores: Tensor, classes: Tensor, *, iou: float, most: int) -> NDArray[np.intp]:
    """Indices of the boxes that stay, highest score first.

    The best box stays and those of its class that overlap it by more than `iou` go, until none is left. Equal scores
    are ordered by class and then by coordinates, so the result does not depend on the order of the input.

    Args:
        boxes: xyxy [n, 4]; x1 < x0 or y1 < y0 is an empty box.
        scores: [n].
        classes: class numbers [n].
        iou: intersection over union, 0 to 1; equal to it is no reason to go.
        most: stop when so many stay.
    """
    order = np.lexsort((*np.asarray(boxes).T[::-1], classes, -scores))
    exact = np.asarray(boxes, dtype=np.float64)[order]
    kinds = np.asarray(classes)[order]
    areas = _areas(exact)
    alive = np.arange(order.size)
    kept: list[int] = []
    while alive.size and len(kept) < most:
        best, others = alive[0], alive[1:]
        kept.append(int(best))
        rivals = kinds[others] == kinds[best]
        overlap = _iou(exact[best], areas[best], exact[others], areas[others])
        alive = others[~(rivals & (overlap > iou))]
    result: NDArray[np.intp] = order[np.array(kept, dtype=np.intp)]
    return result


def box_iou(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Intersection over union [n, m] of boxes xyxy [n, 4] and [m, 4]; 0 where both boxes are empty."""
    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return _iou(left[:, None], _areas(left)[:, None], right[None], _areas(right)[None])


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    areas: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return areas


def _iou(
    one: NDArray[np.float64],
    one_area: NDArray[np.float64],
    other: NDArray[np.float64],
    other_area: NDArray[np.float64],
) -> NDArray[np.float64]:
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    sides = np.maximum(high - low, 0)
    both = sides[..., 0] * sides[..., 1]
    either = one_area + other_area - both
    result: NDArray[np.float64] = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return result
