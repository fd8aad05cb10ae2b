"""Bilinear interpolation of maps, the centres of corner pixels not aligned.

Output pixel i of n lies at (i + 0.5) m / n - 0.5 among m input pixels, held within them; the rule of PyTorch's
`interpolate(mode="bilinear", align_corners=False)`, with which networks of segmentation are trained. Nothing is
smoothed when a map is made smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where output pixels lie along one axis of the input.

    Attributes:
        before: the input pixel at or before each.
        after: the next one, or the same at the end.
        share: how far each lies towards the next one, 0 to 1.
    """

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: NDArray[np.float32]

    @property
    def span(self) -> slice:
        """The input pixels that are needed."""
        return slice(int(self.before[0]), int(self.after[-1]) + 1)

    def of_span(self) -> Places:
        """The same places in an input that was cut to `span`."""
        return Places(self.before - self.before[0], self.after - self.before[0], self.share)


def places(first: int, last: int, size: int, source: int) -> Places:
    """The places of the output pixels from `first` to before `last`, of `size`, among `source` input pixels."""
    at = np.clip((np.arange(first, last) + 0.5) * (source / size) - 0.5, 0, source - 1)
    before = at.astype(np.intp)
    return Places(before, np.minimum(before + 1, source - 1), (at - before).astype(np.float32))


def interpolate(maps: NDArray[np.float32], rows: Places, columns: Places) -> NDArray[np.float32]:
    """The maps [..., h, w] at the places: FP32 [..., rows, columns]."""
    upper, lower = maps[..., rows.before, :], maps[..., rows.after, :]
    lines = upper + (lower - upper) * rows.share[:, None]
    left, right = lines[..., columns.before], lines[..., columns.after]
    result: NDArray[np.float32] = left + (right - left) * columns.share
    return result


def resize(maps: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The maps [..., h, w] at [..., height, width]; the same array when that is its size."""
    if maps.shape[-2:] == (height, width):
        return maps
    return interpolate(maps, places(0, height, height, maps.shape[-2]), places(0, width, width, maps.shape[-1]))
