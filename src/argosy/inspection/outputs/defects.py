"""What an adapter finds in one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.inspection.outputs.rle import Rle


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture as the model saw it, after resizing or tiling. All coordinates of findings lie in it.

    Attributes:
        width: pixels.
        height: pixels.
    """

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect.

    Coordinates are continuous: the pixel in column 0 and row 0 covers 0 to 1 in both, its centre is (0.5, 0.5).

    Attributes:
        class_name: one of the model's classes.
        score: 0 to 1.
        bbox: x0, y0, x1, y1 in pixels of the frame, within it; never empty.
        area_px: pixels of the mask; the area of the box when there is no mask.
        centroid: x, y of the mask, or of the box when there is no mask; pixels of the frame.
        mask: of the size of the frame, or None when the model gives boxes only.
        polygon: outline as x, y pairs in pixels of the frame, or None.
    """

    class_name: str
    score: float
    bbox: tuple[float, float, float, float]
    area_px: float
    centroid: tuple[float, float]
    mask: Rle | None = None
    polygon: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """All that a model says about one image.

    Attributes:
        defects: highest score first.
        anomaly_score: how unlike a good die the whole image is, 0 to 1, or None when the model does not say.
        anomaly_map: the same for each pixel, FP32 [height, width] of the frame in 0 to 1, or None.
    """

    defects: tuple[Defect, ...]
    anomaly_score: float | None = None
    anomaly_map: NDArray[np.float32] | None = None
