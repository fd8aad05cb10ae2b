"""Models that know good dies only and mark what is unlike them: Anomalib's, or any with an anomaly map.

Source: Anomalib's exported outputs: `pred_score` and `pred_label` for the image, `anomaly_map` and `pred_mask` for
its pixels, normalised so that 0.5 is the threshold. A model may have some of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.bilinear import resize
from argosy.inspection.outputs.classification import whole_frame
from argosy.inspection.outputs.components import components
from argosy.inspection.outputs.defects import Defect, Findings, Frame
from argosy.inspection.outputs.regions import region_defects
from argosy.inspection.outputs.tensors import Patterns, check_batch, check_probabilities, flags, numbers

_IMAGE: Patterns = (("N",), ("N", 1))
_PIXELS: Patterns = (("N", 1, "rows", "columns"), ("N", "rows", "columns"))


@dataclass(frozen=True, slots=True)
class AnomalyMap:
    """Reads regions from an anomaly map, a mask, or both, and the image's score and label where there are any.

    A region is made of touching pixels of the model's mask, or of those of the map that reach `low` when there is no
    mask. With a map it counts when it reaches `conf` somewhere, and that peak is its score. Without a map its score is
    that of the image, or 1.

    A label decides: an image that is labelled good has no defects, whatever its pixels say, and one that is labelled
    anomalous without any region has one defect as large as the frame. So does, where there are neither map, mask nor
    label, an image whose score reaches `conf`.

    The image's anomaly score is the model's, or the largest value of the map.

    Attributes:
        anomaly_map: tensor [N, 1, rows, columns] or [N, rows, columns], or None.
        pred_mask: the same with a yes or no for each pixel, or None.
        pred_score: tensor [N] or [N, 1], or None.
        pred_label: the same with a yes or no, or None.
        class_name: what the defects are called.
        low: value of every pixel of a region; without effect when there is a mask.
        conf: value of the best pixel of a region.
        value_range: what becomes 0 and what becomes 1 of map and score; values beyond them are held there. None when
            the model normalises.
        max_det: most defects of one image.
        min_area_px: least pixels of a region.
    """

    anomaly_map: str | None
    pred_mask: str | None
    pred_score: str | None
    pred_label: str | None
    class_name: str
    low: float
    conf: float
    value_range: tuple[float, float] | None
    max_det: int
    min_area_px: int

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        named = (
            (self.anomaly_map, _PIXELS),
            (self.pred_mask, _PIXELS),
            (self.pred_score, _IMAGE),
            (self.pred_label, _IMAGE),
        )
        return {name: patterns for name, patterns in named if name is not None}

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        maps = self._normalised(tensors, self.anomaly_map, _PIXELS)
        maps = None if maps is None else maps.reshape(maps.shape[0], *maps.shape[-2:])
        masks = None if self.pred_mask is None else flags(tensors, self.pred_mask, _PIXELS)
        masks = None if masks is None else masks.reshape(masks.shape[0], *masks.shape[-2:])
        scores = self._normalised(tensors, self.pred_score, _IMAGE)
        labels = None if self.pred_label is None else flags(tensors, self.pred_label, _IMAGE)
        check_batch({name: tensors[name] for name in self.expects()})
        count = len(next(read for read in (maps, masks, scores, labels) if read is not None))
        return [
            self._finding(
                None if maps is None else resize(maps[image], frame.height, frame.width),
                None if masks is None else _resized(masks[image], frame),
                None if scores is None else float(scores[image].item()),
                None if labels is None else bool(labels[image].item()),
                frame,
            )
            for image in range(count)
        ]

    def _normalised(
        self, tensors: Mapping[str, Tensor], name: str | None, patterns: Patterns
    ) -> NDArray[np.float32] | None:
        if name is None:
            return None
        values = numbers(tensors, name, patterns)
        if self.value_range is None:
            check_probabilities(values, name)
        else:
            bottom, top = self.value_range
            values = (values - np.float32(bottom)) / np.float32(top - bottom)
        return np.clip(values, 0, 1)

    def _finding(
        self,
        values: NDArray[np.float32] | None,
        mask: NDArray[np.bool_] | None,
        score: float | None,
        label: bool | None,
        frame: Frame,
    ) -> Findings:
        if score is None and values is not None:
            score = float(values.max())
        if label is False:
            return Findings((), score, values)
        defects = self._regions(values, mask, score)
        if not defects and self._anomalous_nowhere(values, mask, score, label):
            defects = (whole_frame(self.class_name, 1.0 if score is None else score, frame),)
        return Findings(defects, score, values)

    def _regions(
        self, values: NDArray[np.float32] | None, mask: NDArray[np.bool_] | None, score: float | None
    ) -> tuple[Defect, ...]:
        if values is None:
            if mask is None:
                return ()
            found = components(mask, min_area=self.min_area_px)
            peaks = np.full(len(found), 1.0 if score is None else score)
        else:
            weak = values >= self.low if mask is None else mask
            found = components(weak, values >= self.conf, min_area=self.min_area_px)
            peaks = found.peak(values.ravel()[found.pixels])
        return region_defects(found, peaks, [self.class_name] * len(found), self.max_det)

    def _anomalous_nowhere(
        self,
        values: NDArray[np.float32] | None,
        mask: NDArray[np.bool_] | None,
        score: float | None,
        label: bool | None,
    ) -> bool:
        """Whether the image is anomalous although no pixel shows where."""
        if label is not None:
            return label
        return values is None and mask is None and score is not None and score >= self.conf


def _resized(mask: NDArray[np.bool_], frame: Frame) -> NDArray[np.bool_]:
    if mask.shape == (frame.height, frame.width):
        return mask
    result: NDArray[np.bool_] = resize(mask.astype(np.float32), frame.height, frame.width) > 0.5
    return result
