"""YOLO detectors with masks: each box has coefficients, and their sum over shared prototype masks is its mask.

Source: Bolya et al., YOLACT, 2019; Ultralytics' guide to end-to-end detection: [N, 300, 6 + nm] of finished detections
or [N, 4 + classes + nm, 8400] of predictions, and prototypes [N, nm, height / 4, width / 4].

The sum is a logit. It is brought to the size of the frame first and compared with 0 then, so outlines are smooth; a
pixel belongs to a box when its centre does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.bilinear import Places, interpolate, places
from argosy.inspection.outputs.candidates import Candidates
from argosy.inspection.outputs.defects import Defect, Findings, Frame
from argosy.inspection.outputs.rle import encode_part
from argosy.inspection.outputs.tensors import Patterns, check_batch, numbers
from argosy.inspection.outputs.yolo_e2e import finished
from argosy.inspection.outputs.yolo_raw import predicted


@dataclass(frozen=True, slots=True)
class YoloSegmentation:
    """Reads boxes with coefficients, and prototypes.

    A defect whose mask has no pixel keeps its box and has no mask.

    Attributes:
        boxes: tensor [N, boxes, 6 + nm], or [N, 4 + classes + nm, anchors] when they are not finished.
        proto: tensor [N, nm, rows, columns].
        finished: whether suppression has been done.
        classes: names by class number.
        conf: least score of a defect.
        iou: as in `YoloRaw`; without effect when the boxes are finished.
        max_det: most defects of one image.
        min_area_px: least area of a mask, or of a box without one.
    """

    boxes: str
    proto: str
    finished: bool
    classes: tuple[str, ...]
    conf: float
    iou: float
    max_det: int
    min_area_px: float

    def expects(self) -> Mapping[str, Patterns]:
        """As `Adapter.expects`."""
        boxes = ("N", "boxes", "6 + nm") if self.finished else ("N", f"{4 + len(self.classes)} + nm", "anchors")
        return {self.boxes: (boxes,), self.proto: (("N", "nm", "rows", "columns"),)}

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """As `Adapter.findings`."""
        prototypes = numbers(tensors, self.proto, self.expects()[self.proto])
        found = numbers(tensors, self.boxes, self._patterns(prototypes.shape[1]))
        check_batch({self.boxes: found, self.proto: prototypes})
        return [
            Findings(tuple(self._defects(image, masks, frame))) for image, masks in zip(found, prototypes, strict=True)
        ]

    def _patterns(self, masks: int) -> Patterns:
        return ((("N", "boxes", 6 + masks) if self.finished else ("N", 4 + len(self.classes) + masks, "anchors")),)

    def _defects(self, image: NDArray[np.float32], prototypes: NDArray[np.float32], frame: Frame) -> list[Defect]:
        chosen, coefficients = self._chosen(image, prototypes.shape[0], frame)
        defects = chosen.defects(self.classes, frame)
        masked = [_with_mask(defect, row, prototypes, frame) for defect, row in zip(defects, coefficients, strict=True)]
        return [defect for defect in masked if defect.area_px >= self.min_area_px]

    def _chosen(self, image: NDArray[np.float32], masks: int, frame: Frame) -> tuple[Candidates, NDArray[np.float32]]:
        # What is held to the least area is the mask, later; here boxes only have to lie in the frame.
        if self.finished:
            found = finished(image, self.conf, len(self.classes), self.boxes).within(frame, 0).best(self.max_det)
            return found, image[found.rows, 6:]
        found = predicted(image, self.conf, len(self.classes), self.boxes).within(frame, 0)
        found = found.suppressed(self.iou, self.max_det)
        return found, image[-masks:, found.rows].T


def _with_mask(
    defect: Defect, coefficients: NDArray[np.float32], prototypes: NDArray[np.float32], frame: Frame
) -> Defect:
    x0, y0, x1, y1 = (int(np.ceil(edge - 0.5)) for edge in defect.bbox)
    if x0 >= x1 or y0 >= y1:
        return defect
    rows = places(y0, y1, frame.height, prototypes.shape[1])
    columns = places(x0, x1, frame.width, prototypes.shape[2])
    inside = _logits(coefficients, prototypes, rows, columns) > 0
    area = int(inside.sum())
    if area == 0:
        return defect
    across, down = inside.sum(axis=0), inside.sum(axis=1)
    return replace(
        defect,
        area_px=float(area),
        centroid=(
            float(across @ np.arange(x0, x1)) / area + 0.5,
            float(down @ np.arange(y0, y1)) / area + 0.5,
        ),
        mask=encode_part(inside, y0, x0, frame.height, frame.width),
    )


def _logits(
    coefficients: NDArray[np.float32], prototypes: NDArray[np.float32], rows: Places, columns: Places
) -> NDArray[np.float32]:
    """The mask's logits at the places. Only the prototypes' pixels around them are summed."""
    part = np.tensordot(coefficients, prototypes[:, rows.span, columns.span], axes=1)
    return interpolate(part, rows.of_span(), columns.of_span())
