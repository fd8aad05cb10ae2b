"""Networks that name every pixel: a defect is a connected region of pixels that are not background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.activations import softmax
from argosy.inspection.outputs.bilinear import resize
from argosy.inspection.outputs.components import Components, components
from argosy.inspection.outputs.defects import Defect, Findings, Frame
from argosy.inspection.outputs.regions import region_defects
from argosy.inspection.outputs.tensors import Patterns, check_batch, numbers, probabilities


@dataclass(frozen=True, slots=True)
class SemanticSegmentation:
    """Reads regions from class scores of every pixel.

    The probability of a defect is 1 less that of the background. A region is made of touching pixels whose best class
    is not the background, ties being background, or whose probability of a defect reaches `low` where that is set. It
    counts when it reaches `conf` somewhere. Its class is that of most of its pixels, and its score the mean
    probability of that class over them. The anomaly map is the probability of a defect, or the model's own.

    Scores of another size than the frame are interpolated to it, logits before the softmax.

    Attributes:
        scores: tensor [N, classes, rows, columns].
        logits: whether it holds logits and not probabilities.
        anomaly_map: tensor [N, 1, rows, columns] or [N, rows, columns] of 0 to 1, or None.
        classes: names by class number.
        background: number of the class that is no defect.
        conf: probability of a defect that the best pixel of a region reaches.
        low: probability of a defect of every pixel of a region, or None for those whose best class is a defect.
        max_det: most defects of one image.
        min_area_px: least pixels of a region.
    """

    scores: str
    logits: bool
    anomaly_map: str | None
    classes: tuple[str, ...]
    background: int
    conf: float
    low: float | None
    max_det: int
    min_area_px: int

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        scores: Patterns = (("N", len(self.classes), "rows", "columns"),)
        own: Patterns = (("N", 1, "rows", "columns"), ("N", "rows", "columns"))
        return {self.scores: scores} | ({self.anomaly_map: own} if self.anomaly_map else {})

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        expected = self.expects()
        read = numbers if self.logits else probabilities
        scores = read(tensors, self.scores, expected[self.scores])
        if self.anomaly_map is None:
            return [self._finding(image, None, frame) for image in scores]
        maps = probabilities(tensors, self.anomaly_map, expected[self.anomaly_map])
        check_batch({self.scores: scores, self.anomaly_map: maps})
        maps = maps.reshape(maps.shape[0], *maps.shape[-2:])
        return [self._finding(image, own, frame) for image, own in zip(scores, maps, strict=True)]

    def _finding(self, image: NDArray[np.float32], own: NDArray[np.float32] | None, frame: Frame) -> Findings:
        scores = resize(image, frame.height, frame.width)
        if self.logits:
            scores = softmax(scores, axis=0)
        defective = np.clip(1 - scores[self.background], 0, 1)
        weak = self._best_other(scores) > scores[self.background] if self.low is None else defective >= self.low
        found = components(weak, defective >= self.conf, min_area=self.min_area_px)
        anomaly = defective if own is None else np.clip(resize(own, frame.height, frame.width), 0, 1)
        return Findings(self._defects(found, scores), float(anomaly.max()), anomaly)

    def _best_other(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The largest score of each pixel, background aside [rows, columns]."""
        first, *others = (number for number in range(len(self.classes)) if number != self.background)
        best: NDArray[np.float32] = scores[first].copy()
        for other in others:
            np.maximum(best, scores[other], out=best)
        return best

    def _defects(self, found: Components, scores: NDArray[np.float32]) -> tuple[Defect, ...]:
        names = [number for number in range(len(self.classes)) if number != self.background]
        pixels = scores.reshape(len(self.classes), -1)[:, found.pixels][names].T
        kinds = found.majority(pixels.argmax(axis=1), len(names))
        means = found.mean(pixels)[np.arange(len(found)), kinds]
        return region_defects(found, means, [self.classes[names[kind]] for kind in kinds], self.max_det)
