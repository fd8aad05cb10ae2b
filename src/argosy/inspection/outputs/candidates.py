"""Boxes on their way from a detector's output to defects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.defects import Defect, Frame
from argosy.inspection.outputs.nms import suppress


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The boxes of one image.

    Attributes:
        boxes: xyxy, pixels of the frame, as the model gave them: not clipped, perhaps empty, FP64 [n, 4].
        scores: 0 to 1 [n].
        kinds: class numbers [n].
        rows: which row of the model's output each one is [n].
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float32]
    kinds: NDArray[np.intp]
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return self.scores.size

    def within(self, frame: Frame, min_area: float) -> Candidates:
        """Those of which more than nothing, and at least `min_area` pixels, lie in the frame."""
        clipped = clip(self.boxes, frame)
        sides = clipped[:, 2:] - clipped[:, :2]
        return self._only(np.flatnonzero((sides > 0).all(axis=1) & (sides[:, 0] * sides[:, 1] >= min_area)))

    def suppressed(self, iou: float, most: int) -> Candidates:
        """Those that stay after non-maximum suppression within each class, best first."""
        return self._only(suppress(self.boxes, self.scores, self.kinds, iou=iou, most=most))

    def best(self, most: int) -> Candidates:
        """The `most` best, best first; equal scores in the model's order."""
        return self._only(np.argsort(-self.scores, kind="stable")[:most])

    def defects(self, classes: tuple[str, ...], frame: Frame) -> list[Defect]:
        """Defects without masks, in the order of the boxes, clipped to the frame.

        Args:
            classes: names by class number.
            frame: as in `within`, which has to have come before.
        """
        defects = []
        for box, score, kind in zip(clip(self.boxes, frame).tolist(), self.scores, self.kinds, strict=True):
            x0, y0, x1, y1 = box
            defects.append(
                Defect(
                    class_name=classes[kind],
                    score=min(float(score), 1.0),
                    bbox=(x0, y0, x1, y1),
                    area_px=(x1 - x0) * (y1 - y0),
                    centroid=((x0 + x1) / 2, (y0 + y1) / 2),
                )
            )
        return defects

    def _only(self, chosen: NDArray[np.intp]) -> Candidates:
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            kinds=self.kinds[chosen],
            rows=self.rows[chosen],
        )


def corners(boxes: Tensor) -> NDArray[np.float64]:
    """Boxes given as centre x, y, width and height [n, 4], as xyxy."""
    exact = np.asarray(boxes, dtype=np.float64)
    half = exact[:, 2:] / 2
    return np.concatenate((exact[:, :2] - half, exact[:, :2] + half), axis=1)


def clip(boxes: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    """Boxes xyxy [n, 4] held within the frame; those outside of it become empty."""
    bounds = np.array([frame.width, frame.height] * 2, dtype=np.float64)
    return np.clip(boxes, 0, bounds)
