"""Detectors that need no suppression: YOLO26 as it is exported by default, YOLOv10, and exports with NMS inside.

Source: Ultralytics' guide to end-to-end detection: [N, 300, 6] of x0, y0, x1, y1 in pixels of the input, confidence,
class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.candidates import Candidates
from argosy.inspection.outputs.defects import Findings, Frame
from argosy.inspection.outputs.tensors import Patterns, check_probabilities, class_numbers, numbers


@dataclass(frozen=True, slots=True)
class YoloEndToEnd:
    """Reads finished detections.

    Attributes:
        detections: tensor [N, boxes, 6].
        classes: names by class number.
        conf: least confidence of a defect. Rows below it, also those that only fill the tensor, are not looked at.
        max_det: most defects of one image.
        min_area_px: least area of a box within the frame.
    """

    detections: str
    classes: tuple[str, ...]
    conf: float
    max_det: int
    min_area_px: float

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        return {self.detections: (("N", "boxes", 6),)}

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        rows = numbers(tensors, self.detections, self.expects()[self.detections])
        return [Findings(tuple(self._candidates(image, frame).defects(self.classes, frame))) for image in rows]

    def _candidates(self, image: NDArray[np.float32], frame: Frame) -> Candidates:
        found = finished(image, self.conf, len(self.classes), self.detections)
        return found.within(frame, self.min_area_px).best(self.max_det)


def finished(image: NDArray[np.float32], conf: float, classes: int, name: str) -> Candidates:
    """The confident rows of [boxes, 6 or more] as candidates.

    Args:
        image: x0, y0, x1, y1 in pixels, confidence, class, and whatever follows.
        conf: least confidence.
        classes: how many there are.
        name: of the tensor, for errors.

    Raises:
        EngineError: a confidence is above 1, or a class is none of them; `param` is the name.
    """
    rows = np.flatnonzero(image[:, 4] >= conf)
    chosen = image[rows]
    check_probabilities(chosen[:, 4], name)
    return Candidates(
        boxes=chosen[:, :4].astype(np.float64),
        scores=chosen[:, 4],
        kinds=class_numbers(chosen[:, 5], classes, name),
        rows=rows,
    )
