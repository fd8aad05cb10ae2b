"""Detectors that predict a set: DETR and its kin (Deformable DETR, RT-DETR, RF-DETR).

Source: Carion et al., End-to-End Object Detection with Transformers, 2020: class logits [N, queries, classes + 1], the
last of them "no object", and boxes [N, queries, 4] of centre x, y, width, height in parts of the image. Zhu et al.,
Deformable DETR, 2021: a sigmoid for each class instead, and no "no object".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.activations import sigmoid, softmax
from argosy.inspection.outputs.candidates import Candidates, corners
from argosy.inspection.outputs.defects import Findings, Frame
from argosy.inspection.outputs.tensors import Pattern, Patterns, check_batch, numbers


@dataclass(frozen=True, slots=True)
class Detr:
    """Reads one class and one box from each query.

    The models with a sigmoid are often read as the best pairs of query and class. Here a query is one defect, of its
    best class: two names for one place would be counted as two defects.

    Attributes:
        logits: tensor [N, queries, classes + 1]; with a sigmoid the last may be missing, and is not read.
        boxes: tensor [N, queries, 4].
        classes: names by class number, without "no object".
        use_softmax: whether the classes exclude one another; else each has a sigmoid of its own.
        conf: least score of a defect.
        max_det: most defects of one image.
        min_area_px: least area of a box within the frame.
    """

    logits: str
    boxes: str
    classes: tuple[str, ...]
    use_softmax: bool
    conf: float
    max_det: int
    min_area_px: float

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        count = len(self.classes)
        with_none: Pattern = ("N", "queries", count + 1)
        logits: Patterns = (with_none,) if self.use_softmax else (("N", "queries", count), with_none)
        return {self.logits: logits, self.boxes: (("N", "queries", 4),)}

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        expected = self.expects()
        logits = numbers(tensors, self.logits, expected[self.logits])
        boxes = numbers(tensors, self.boxes, (("N", logits.shape[1], 4),))
        check_batch({self.logits: logits, self.boxes: boxes})
        return [
            Findings(tuple(self._candidates(*image, frame).defects(self.classes, frame)))
            for image in zip(logits, boxes, strict=True)
        ]

    def _candidates(self, logits: NDArray[np.float32], boxes: NDArray[np.float32], frame: Frame) -> Candidates:
        scores = (softmax(logits, axis=1) if self.use_softmax else sigmoid(logits))[:, : len(self.classes)]
        rows = np.flatnonzero(scores.max(axis=1) >= self.conf)
        kinds = scores[rows].argmax(axis=1)
        scale = np.array([frame.width, frame.height] * 2, dtype=np.float64)
        found = Candidates(boxes=corners(boxes[rows]) * scale, scores=scores[rows, kinds], kinds=kinds, rows=rows)
        return found.within(frame, self.min_area_px).best(self.max_det)
