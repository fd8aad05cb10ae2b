from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.bilinear import resize
from argosy.inspection.outputs.defects import Frame
from argosy.inspection.outputs.yolo_seg import YoloSegmentation

FRAME = Frame(width=32, height=24)
MASKS = 2


def yolo(*, finished: bool = True, min_area_px: float = 1) -> YoloSegmentation:
    return YoloSegmentation(
        boxes="output0",
        proto="output1",
        finished=finished,
        classes=("scratch", "particle", "crack"),
        conf=0.25,
        iou=0.5,
        max_det=300,
        min_area_px=min_area_px,
    )


def prototypes() -> Tensor:
    """A quarter of the frame: one prototype sets the left half, the other the upper half."""
    proto = np.full((1, MASKS, 6, 8), -1, dtype=np.float32)
    proto[0, 0, :, :4] = 1
    proto[0, 1, :3, :] = 1
    return proto


def finished(*rows: list[float]) -> Tensor:
    tensor = np.zeros((1, 300, 6 + MASKS), dtype=np.float32)
    tensor[0, : len(rows)] = np.array(rows, dtype=np.float32)
    return tensor


def raw(*anchors: list[float]) -> Tensor:
    tensor = np.zeros((1, 4 + 3 + MASKS, 8400), dtype=np.float32)
    tensor[0, :, : len(anchors)] = np.array(anchors, dtype=np.float32).T
    return tensor


def test_coefficients_choose_the_prototype() -> None:
    """A box over everything with the coefficients 1, 0 has the left half as its mask."""
    (findings,) = yolo().findings({"output0": finished([0, 0, 32, 24, 0.75, 1, 1, 0]), "output1": prototypes()}, FRAME)
    (defect,) = findings.defects
    assert defect.class_name == "particle"
    assert defect.bbox == (0.0, 0.0, 32.0, 24.0)
    assert defect.mask is not None
    assert defect.mask.bbox == (0, 0, 16, 24)
    assert defect.area_px == defect.mask.area == 16 * 24
    assert defect.centroid == (8.0, 12.0)


def test_the_mask_ends_with_its_box() -> None:
    """Nothing outside of the box is set; a pixel belongs to it when its centre does."""
    box = [2.4, 3.5, 9.6, 8.5]
    (findings,) = yolo().findings({"output0": finished([*box, 0.75, 0, 1, 0]), "output1": prototypes()}, FRAME)
    (defect,) = findings.defects
    assert defect.mask is not None
    assert defect.mask.bbox == (2, 3, 10, 8)
    assert defect.area_px == 8 * 5


def test_predictions_are_suppressed_first() -> None:
    """The raw form: centre and size, class scores, coefficients; of two boxes at one place the better one's mask."""
    tensors = {
        "output0": raw([16, 12, 32, 24, 0.5, 0, 0, 0, 1], [16, 12, 32, 24, 0.75, 0, 0, 1, 0]),
        "output1": prototypes(),
    }
    (findings,) = yolo(finished=False).findings(tensors, FRAME)
    (defect,) = findings.defects
    assert (defect.class_name, defect.score) == ("scratch", 0.75)
    assert defect.mask is not None
    assert defect.mask.bbox == (0, 0, 16, 24)


def test_both_forms_say_the_same() -> None:
    """One detection, finished and raw, gives equal defects."""
    one = yolo().findings({"output0": finished([4, 2, 20, 18, 0.5, 1, 1, 1]), "output1": prototypes()}, FRAME)
    other = yolo(finished=False).findings(
        {"output0": raw([12, 10, 16, 16, 0, 0.5, 0, 1, 1]), "output1": prototypes()}, FRAME
    )
    assert one[0].defects == other[0].defects
    assert len(one[0].defects) == 1


def test_every_image_has_its_own_prototypes() -> None:
    """The second image's masks come from the second prototypes."""
    boxes = np.concatenate([finished([0, 0, 32, 24, 0.75, 1, 1, 0])] * 2)
    proto = np.concatenate([prototypes(), -prototypes()])
    first, second = yolo().findings({"output0": boxes, "output1": proto}, FRAME)
    assert first.defects[0].centroid == (8.0, 12.0)
    assert second.defects[0].centroid == (24.0, 12.0)


def test_a_box_without_mask_pixels_keeps_its_box() -> None:
    """Coefficients that set nothing inside the box leave a detection, which is not thrown away."""
    (findings,) = yolo().findings({"output0": finished([20, 0, 30, 10, 0.75, 0, 1, 0]), "output1": prototypes()}, FRAME)
    (defect,) = findings.defects
    assert defect.mask is None
    assert defect.area_px == 100


def test_a_box_between_pixel_centres_keeps_its_box() -> None:
    """A box too small to hold a centre has no mask."""
    rows = finished([2.6, 2.6, 3.4, 3.4, 0.75, 0, 1, 0])
    (findings,) = yolo(min_area_px=0.1).findings({"output0": rows, "output1": prototypes()}, FRAME)
    assert findings.defects[0].mask is None


def test_the_least_area_is_that_of_the_mask() -> None:
    """A large box with a small mask is a small defect."""
    tensors = {"output0": finished([14, 0, 32, 24, 0.75, 0, 1, 0]), "output1": prototypes()}
    assert len(yolo(min_area_px=48).findings(tensors, FRAME)[0].defects) == 1
    assert len(yolo(min_area_px=49).findings(tensors, FRAME)[0].defects) == 0


@pytest.mark.parametrize(
    ("boxes", "proto", "named"),
    [
        (np.zeros((1, 300, 9)), prototypes(), "output0"),
        (np.zeros((1, 300, 8)), np.zeros((1, 3, 6, 8)), "output0"),
        (np.zeros((1, 300, 8)), np.zeros((2, MASKS, 6, 8)), "output1"),
        (np.zeros((1, 300, 8)), np.zeros((1, MASKS, 6)), "output1"),
        (np.zeros((1, 300, 8)), np.zeros((1, MASKS, 0, 8)), "output1"),
        (np.zeros((1, 300, 8)), np.full((1, MASKS, 6, 8), np.nan), "output1"),
    ],
)
def test_tensors_that_do_not_match_are_the_engines_failure(boxes: Tensor, proto: Tensor, named: str) -> None:
    """Coefficients and prototypes are as many as each other, for as many images."""
    with pytest.raises(EngineError) as caught:
        yolo().findings({"output0": boxes, "output1": proto}, FRAME)
    assert caught.value.param == named


PROTOTYPES = hnp.arrays(np.float32, (MASKS, 3, 4), elements=st.integers(-3, 3))
BOX = st.tuples(st.floats(-4, 36), st.floats(-4, 28), st.floats(0.5, 20), st.floats(0.5, 20))


@given(PROTOTYPES, st.tuples(st.integers(-2, 2), st.integers(-2, 2)), BOX)
def test_masks_are_those_of_the_whole_frame(
    proto: NDArray[np.float32], coefficients: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    """The mask is what thresholding the sum over the whole frame leaves inside the box."""
    x, y, width, height = box
    rows = finished([x, y, x + width, y + height, 0.5, 0, *coefficients])
    (findings,) = yolo(min_area_px=0).findings({"output0": rows, "output1": proto[None]}, FRAME)
    for defect in findings.defects:
        x0, y0, x1, y1 = defect.bbox
        assert x0 < x1
        assert y0 < y1
        logits = resize(np.tensordot(np.float32(coefficients), proto, axes=1), FRAME.height, FRAME.width)
        down, across = np.mgrid[: FRAME.height, : FRAME.width] + 0.5
        expected = (logits > 0) & (across >= x0) & (across < x1) & (down >= y0) & (down < y1)
        if defect.mask is None:
            assert not expected.any()
            continue
        assert (defect.mask.decode() == expected).all()
        assert defect.area_px == expected.sum()
        assert defect.centroid == pytest.approx((across[expected].mean(), down[expected].mean()))
        left, top, right, bottom = defect.mask.bbox
        assert math.floor(x0) <= left <= right <= math.ceil(x1)
        assert math.floor(y0) <= top <= bottom <= math.ceil(y1)
