"""The defects of the pictures: their shapes, and how they change the grey levels beneath.

A shape is a coverage between 0 and 1 on a window of the die. A pixel belongs to the defect where the coverage is at
least one half, so a truth mask is what was painted, before the optics blur it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from argosy.inspection.synthetic.nuisances import DUST_LIMIT_PX

SMALLEST_PX: Final = 2 * DUST_LIMIT_PX + 2
"""Smallest visible area of a defect, px."""

_CONNECTED = np.ones((3, 3), bool)


class Defect(IntEnum):
    """Classes of the class map; 0 is background. The value is the model's output channel."""

    SCRATCH = 1
    PARTICLE = 2
    CRACK = 3
    MISSING_BOND = 4
    STAIN = 5

    @property
    def label(self) -> str:
        """The class's name in labels and results, such as `missing_bond`."""
        return self.name.lower()


LABELS: Final = ("background", *(defect.label for defect in Defect))
"""Names of the class map's values, in their order."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A defect's coverage on a window.

    Attributes:
        coverage: FP32 [h, w], 0 to 1.
        top: row of the window's first pixel in the die; may be negative.
        left: column of the window's first pixel in the die; may be negative.
    """

    coverage: NDArray[np.float32]
    top: int
    left: int

    def within(self, size: tuple[int, int]) -> Shape:
        """The part inside a die of height and width `size`."""
        height, width = self.coverage.shape
        above, before = max(-self.top, 0), max(-self.left, 0)
        below = max(min(height, size[0] - self.top), above)
        behind = max(min(width, size[1] - self.left), before)
        return Shape(self.coverage[above:below, before:behind], self.top + above, self.left + before)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels that belong to the defect, BOOL [h, w]."""
        return self.coverage >= 0.5

    @property
    def window(self) -> tuple[slice, slice]:
        """Where the window lies in the die."""
        height, width = self.coverage.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def drawn_shape(defect: Defect, x: float, y: float, angle: float | None, rng: np.random.Generator) -> Shape:
    """The shape of a defect with its centre near (x, y), px.

    Args:
        defect: any class but MISSING_BOND, whose shape is that of the ball.
        x: column of the centre, px.
        y: row of the centre, px.
        angle: direction of a scratch, radians from the x axis towards y; None for any.
        rng: the defect's own stream.
    """
    if defect is Defect.SCRATCH:
        return _scratch(x, y, angle, rng)
    if defect is Defect.CRACK:
        return _crack(x, y, rng)
    if defect is Defect.PARTICLE:
        return _particle(x, y, rng)
    return _stain(x, y, rng)


def ball_shape(x: float, y: float, radius: float) -> Shape:
    """The disc where a ball bond is missing."""
    top, left, reach = round(y) - int(radius) - 1, round(x) - int(radius) - 1, 2 * int(radius) + 3
    rows, columns = np.mgrid[top : top + reach, left : left + reach]
    coverage = np.clip(radius + 0.5 - np.hypot(rows - y, columns - x), 0.0, 1.0)
    return Shape(coverage.astype(np.float32), top, left)


def painted(canvas: NDArray[np.float32], defect: Defect, shape: Shape, rng: np.random.Generator) -> None:
    """Change the canvas FP32 [H, W] in place where the shape lies; the shape must be within the canvas.

    A missing bond is not painted: the ball was left out when the die was drawn.
    """
    window = canvas[shape.window]
    coverage = shape.coverage
    if defect is Defect.SCRATCH:
        # A bright furrow, or a dark one where the surface is bright already.
        beneath = float(window[shape.mask].mean())
        depth = float(rng.uniform(45, 75))
        window += coverage * np.float32(depth if beneath < 150 else -depth)
    elif defect is Defect.CRACK:
        window *= 1.0 - coverage * np.float32(rng.uniform(0.7, 0.85))
    elif defect is Defect.PARTICLE:
        halo = ndimage.gaussian_filter(coverage, 2.0)
        window += halo * np.float32(rng.uniform(30, 50))
        window += coverage * (np.float32(rng.uniform(8, 28)) - window)
    elif defect is Defect.STAIN:
        depth = float(rng.uniform(16, 30)) * (1.0 if rng.random() < 0.3 else -1.0)
        window += ndimage.gaussian_filter(coverage, 1.0) * np.float32(depth)


def _scratch(x: float, y: float, angle: float | None, rng: np.random.Generator) -> Shape:
    """A smooth random walk, 2 to 3 px wide."""
    heading = float(rng.uniform(0, np.pi)) if angle is None else angle
    length = float(rng.uniform(24, 60))
    turns = np.cumsum(rng.normal(0, 0.02, int(2 * length)))
    path = _walked(heading + turns - turns.mean(), 0.5)
    return _stroke(path - path.mean(0) + (y, x), float(rng.uniform(1.0, 1.5)))


def _crack(x: float, y: float, rng: np.random.Generator) -> Shape:
    """A jagged walk with one or two branches, 1 to 2 px wide."""
    heading = float(rng.uniform(0, 2 * np.pi))
    trunk = _jagged(heading, float(rng.uniform(26, 52)), rng)
    parts = [trunk]
    for _ in range(int(rng.integers(1, 3))):
        fork = int(rng.integers(len(trunk) // 4, 3 * len(trunk) // 4))
        away = heading + float(rng.choice((-1.0, 1.0))) * float(rng.uniform(0.6, 1.2))
        parts.append(trunk[fork] + _jagged(away, float(rng.uniform(9, 20)), rng))
    path = np.concatenate(parts)
    return _stroke(path - trunk.mean(0) + (y, x), float(rng.uniform(0.75, 1.1)))


def _jagged(heading: float, length: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Straight pieces of 3 to 7 px, each turned from the heading by itself."""
    headings: list[float] = []
    while len(headings) < 2 * length:
        headings += [heading + float(rng.normal(0, 0.65))] * int(rng.integers(6, 15))
    return _walked(np.array(headings), 0.5)


def _walked(headings: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points (y, x) of a walk of equal steps."""
    return np.cumsum(np.stack((np.sin(headings), np.cos(headings)), axis=1) * step, axis=0)


def _stroke(points: NDArray[np.float64], half_width: float) -> Shape:
    """The coverage of a line through points (y, x) that lie half a pixel apart."""
    margin = 4
    top, left = (np.floor(points.min(0)).astype(int) - margin).tolist()
    bottom, right = (np.ceil(points.max(0)).astype(int) + margin + 1).tolist()
    nearest = np.full((bottom - top, right - left), np.inf)
    for y, x in points:
        row, column = int(y) - top, int(x) - left
        rows, columns = np.mgrid[row - 3 : row + 4, column - 3 : column + 4]
        near = nearest[row - 3 : row + 4, column - 3 : column + 4]
        np.minimum(near, np.hypot(rows + top - y, columns + left - x), out=near)
    return Shape(np.clip(half_width + 0.5 - nearest, 0.0, 1.0).astype(np.float32), top, left)


def _particle(x: float, y: float, rng: np.random.Generator) -> Shape:
    """An ellipse with semi-axes of 2.2 to 5.5 px, in a window wide enough for its halo."""
    reach = 12
    long, short = float(rng.uniform(2.6, 5.5)), float(rng.uniform(2.2, 4.0))
    angle = float(rng.uniform(0, np.pi))
    top, left = round(y) - reach, round(x) - reach
    rows, columns = np.mgrid[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    radius = np.hypot(along / long, across / short)
    coverage = np.clip((1.0 - radius) * min(long, short) + 0.5, 0.0, 1.0)
    return Shape(coverage.astype(np.float32), top, left)


def _stain(x: float, y: float, rng: np.random.Generator) -> Shape:
    """A blob of thresholded smooth noise, 200 to 1,000 px."""
    area, reach = int(rng.integers(200, 1001)), 28
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    noise = ndimage.gaussian_filter(rng.standard_normal(rows.shape), 5.0)
    # The noise is of about unit size; the bowl keeps the blob around its centre.
    hill = noise / noise.std() - 3.0 * np.hypot(rows, columns) / np.sqrt(area)
    level = np.partition(hill, -area, axis=None)[-area]
    labels, count = ndimage.label(hill >= level, _CONNECTED)
    largest = 1 + int(np.argmax(ndimage.sum_labels(np.ones(labels.shape), labels, np.arange(1, count + 1))))
    blob = ndimage.binary_fill_holes(labels == largest)
    return Shape(blob.astype(np.float32), round(y) - reach, round(x) - reach)
