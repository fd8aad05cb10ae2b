"""Detectors that leave suppression to whoever reads them: YOLOv8, YOLO11, and YOLO26 exported with `end2end` off.

Source: Ultralytics' guide to end-to-end detection: [N, 4 + classes, 8400] of centre x, y, width, height in pixels of
the input, and one score of 0 to 1 for each class. There is no separate objectness, unlike YOLOv5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.candidates import Candidates, corners
from argosy.inspection.outputs.defects import Findings, Frame
from argosy.inspection.outputs.tensors import Patterns, check_probabilities, numbers


@dataclass(frozen=True, slots=True)
class YoloRaw:
    """Reads predictions of every anchor, one class each, and suppresses.

    Attributes:
        predictions: tensor [N, 4 + classes, anchors].
        classes: names by class number.
        conf: least score of a defect.
        iou: boxes of one class that overlap a better one by more than this are the same defect.
        max_det: most defects of one image.
        min_area_px: least area of a box within the frame.
    """

    predictions: str
    classes: tuple[str, ...]
    conf: float
    iou: float
    max_det: int
    min_area_px: float

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        return {self.predictions: (("N", 4 + len(self.classes), "anchors"),)}

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        anchors = numbers(tensors, self.predictions, self.expects()[self.predictions])
        return [Findings(tuple(self._candidates(image, frame).defects(self.classes, frame))) for image in anchors]

    def _candidates(self, image: NDArray[np.float32], frame: Frame) -> Candidates:
        found = predicted(image, self.conf, len(self.classes), self.predictions)
        return found.within(frame, self.min_area_px).suppressed(self.iou, self.max_det)


def predicted(image: NDArray[np.float32], conf: float, classes: int, name: str) -> Candidates:
    """The confident columns of [4 + classes or more, anchors] as candidates.

    Args:
        image: centre x, y, width, height in pixels, a score for each class, and whatever follows.
        conf: least score.
        classes: how many there are.
        name: of the tensor, for errors.

    Raises:
        EngineError: a score is no probability; `param` is the name.
    """
    scores = image[4 : 4 + classes]
    check_probabilities(scores, name)
    rows = np.flatnonzero(scores.max(axis=0) >= conf)
    kinds = scores[:, rows].argmax(axis=0)
    return Candidates(boxes=corners(image[:4, rows].T), scores=scores[kinds, rows], kinds=kinds, rows=rows)
