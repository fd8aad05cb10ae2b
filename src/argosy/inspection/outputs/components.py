"""Connected components of a map: where the defects are in a picture of probabilities.

Two thresholds (hysteresis, Canny 1986): a component is made of weak pixels, and counts when one of them is strong.
Pixels touch through edges and corners (8-connected).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.rle import Rle, encode_part

_TOUCHING = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The components of one map of [height, width] pixels, in the order of their first pixels, row by row.

    Attributes:
        shape: height, width.
        pixels: row-major positions of all their pixels, ascending [p].
        owners: the component of each of those pixels, 0 to n-1 [p].
        areas: pixels of each [n].
        boxes: x0, y0, x1, y1 of each, upper ends exclusive, pixels [n, 4].
        centroids: x, y of each; a pixel lies at its centre, (0.5, 0.5) for the first [n, 2].
    """

    shape: tuple[int, int]
    pixels: NDArray[np.intp]
    owners: NDArray[np.intp]
    areas: NDArray[np.intp]
    boxes: NDArray[np.intp]
    centroids: NDArray[np.float64]

    def __len__(self) -> int:
        return self.areas.size

    def mean(self, values: Tensor) -> NDArray[np.float64]:
        """Mean over each component [n], or [n, k], of values of its pixels [p], or [p, k]."""
        columns = values[:, None] if values.ndim == 1 else values
        sums = np.empty((len(self), columns.shape[1]))
        for column in range(columns.shape[1]):
            sums[:, column] = np.bincount(self.owners, weights=columns[:, column], minlength=len(self))
        means: NDArray[np.float64] = (sums / self.areas[:, None]).reshape(len(self), *values.shape[1:])
        return means

    def peak(self, values: Tensor) -> NDArray[np.float64]:
        """Largest value in each component [n], of values of its pixels [p]."""
        peaks = np.full(len(self), -np.inf)
        np.maximum.at(peaks, self.owners, np.asarray(values, dtype=np.float64))
        return peaks

    def majority(self, labels: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """The commonest label of each component [n], of labels 0 to count-1 of its pixels [p]; the lowest at a tie."""
        votes = np.bincount(self.owners * count + labels, minlength=len(self) * count)
        winners: NDArray[np.intp] = votes.reshape(len(self), count).argmax(axis=1)
        return winners

    def masks(self, chosen: NDArray[np.intp]) -> list[Rle]:
        """The masks of the chosen components, each of the size of the map."""
        height, width = self.shape
        grouped = self.pixels[np.argsort(self.owners)]
        ends = np.cumsum(self.areas)
        masks = []
        for component in chosen.tolist():
            x0, y0, x1, y1 = self.boxes[component].tolist()
            mine = grouped[ends[component] - self.areas[component] : ends[component]]
            part = np.zeros((y1 - y0, x1 - x0), dtype=np.bool_)
            part[mine // width - y0, mine % width - x0] = True
            masks.append(encode_part(part, y0, x0, height, width))
        return masks


def components(weak: NDArray[np.bool_], strong: NDArray[np.bool_] | None = None, *, min_area: int = 1) -> Components:
    """The components of the weak pixels that hold a strong one and are large enough.

    Args:
        weak: bool [height, width].
        strong: bool [height, width], or None when every weak pixel is strong enough.
        min_area: pixels.
    """
    labels, found = _label(weak)
    pixels = np.flatnonzero(weak)
    owners = labels.ravel()[pixels].astype(np.intp) - 1
    areas = np.bincount(owners, minlength=found)
    keep = areas >= min_area
    if strong is not None:
        keep &= np.bincount(owners[strong.ravel()[pixels]], minlength=found) > 0
    if not keep.all():
        pixels, owners = pixels[keep[owners]], (np.cumsum(keep) - 1)[owners[keep[owners]]]
        areas = areas[keep]
    rows, columns = np.divmod(pixels, weak.shape[1])
    count = areas.size
    centroids = np.column_stack([np.bincount(owners, weights=axis, minlength=count) for axis in (columns, rows)])
    return Components(
        shape=(weak.shape[0], weak.shape[1]),
        pixels=pixels,
        owners=owners,
        areas=areas,
        boxes=_boxes(rows, columns, owners, count),
        centroids=centroids / areas[:, None] + 0.5,
    )


def _label(weak: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    labels: NDArray[np.int32] = np.empty(weak.shape, dtype=np.int32)
    found = ndimage.label(weak, structure=_TOUCHING, output=labels)
    return labels, int(found)


def _boxes(rows: NDArray[np.intp], columns: NDArray[np.intp], owners: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    boxes = np.empty((count, 4), dtype=np.intp)
    boxes[:, :2], boxes[:, 2:] = np.iinfo(np.intp).max, 0
    np.minimum.at(boxes[:, 0], owners, columns)
    np.minimum.at(boxes[:, 1], owners, rows)
    np.maximum.at(boxes[:, 2], owners, columns + 1)
    np.maximum.at(boxes[:, 3], owners, rows + 1)
    return boxes
