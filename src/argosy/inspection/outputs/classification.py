"""Models that name the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.activations import softmax
from argosy.inspection.outputs.defects import Defect, Findings, Frame
from argosy.inspection.outputs.tensors import Patterns, numbers, probabilities


@dataclass(frozen=True, slots=True)
class Classification:
    """Reads one class for each image; a defect is as large as the frame and has no mask.

    The anomaly score is the probability that the image is not of the good class; there is none without a good class.

    Attributes:
        scores: tensor [N, classes].
        logits: whether it holds logits and not probabilities.
        classes: names by class number.
        background: number of the class of good images, or None when every class is a defect.
        conf: least probability of a defect.
    """

    scores: str
    logits: bool
    classes: tuple[str, ...]
    background: int | None
    conf: float

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        return {self.scores: (("N", len(self.classes)),)}

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        patterns = self.expects()[self.scores]
        if self.logits:
            rows = softmax(numbers(tensors, self.scores, patterns), axis=1)
        else:
            rows = probabilities(tensors, self.scores, patterns)
        return [self._finding(row, frame) for row in np.clip(rows, 0, 1)]

    def _finding(self, row: NDArray[np.float32], frame: Frame) -> Findings:
        best = int(row.argmax())
        anomaly = None if self.background is None else 1 - float(row[self.background])
        if best == self.background or row[best] < self.conf:
            return Findings((), anomaly)
        return Findings((whole_frame(self.classes[best], float(row[best]), frame),), anomaly)


def whole_frame(class_name: str, score: float, frame: Frame) -> Defect:
    """A defect whose place is unknown."""
    return Defect(
        class_name=class_name,
        score=score,
        bbox=(0.0, 0.0, float(frame.width), float(frame.height)),
        area_px=float(frame.width * frame.height),
        centroid=(frame.width / 2, frame.height / 2),
    )
