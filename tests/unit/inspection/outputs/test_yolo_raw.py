from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.defects import Defect, Frame
from argosy.inspection.outputs.nms import box_iou
from argosy.inspection.outputs.yolo_raw import YoloRaw

FRAME = Frame(width=640, height=640)
CLASSES = ("scratch", "particle", "crack")


def yolo(*, iou: float = 0.5, max_det: int = 300, min_area_px: float = 1) -> YoloRaw:
    return YoloRaw("output0", CLASSES, 0.25, iou, max_det, min_area_px)


def output(*anchors: list[float]) -> dict[str, Tensor]:
    """As YOLO11 gives it: 4 + 3 rows and 8400 columns, most of them nothing."""
    tensor = np.zeros((1, 7, 8400), dtype=np.float32)
    tensor[0, :, : len(anchors)] = np.array(anchors, dtype=np.float32).reshape(-1, 7).T
    return {"output0": tensor}


def test_a_column_is_a_defect_of_its_best_class() -> None:
    """Centre and size in pixels, then one score for each class."""
    (findings,) = yolo().findings(output([100, 200, 20, 40, 0.25, 0.125, 0.75]), FRAME)
    assert findings.defects == (Defect("crack", 0.75, (90.0, 180.0, 110.0, 220.0), 800.0, (100.0, 200.0)),)


def test_a_score_at_the_threshold_counts() -> None:
    """`conf` is the least score, not the most that is dropped."""
    (findings,) = yolo().findings(output([50, 50, 9, 9, 0.25, 0, 0], [90, 90, 9, 9, 0.2, 0, 0]), FRAME)
    assert [defect.score for defect in findings.defects] == [0.25]


def test_overlapping_boxes_of_one_class_are_one_defect() -> None:
    """The best stays, and so does another class at the same place."""
    (findings,) = yolo().findings(
        output([100, 100, 20, 20, 0.5, 0, 0], [101, 100, 20, 20, 0.75, 0, 0], [100, 100, 20, 20, 0, 0.625, 0]), FRAME
    )
    assert [(defect.class_name, defect.score) for defect in findings.defects] == [
        ("scratch", 0.75),
        ("particle", 0.625),
    ]


def test_boxes_are_compared_as_the_model_gave_them() -> None:
    """Two boxes that become the same only when they are cut at the edge are two defects."""
    (findings,) = yolo().findings(
        output([0, 100, 100, 20, 0.5, 0, 0], [-200, 100, 500, 20, 0.75, 0, 0]), Frame(width=50, height=640)
    )
    assert [defect.bbox for defect in findings.defects] == [(0.0, 90.0, 50.0, 110.0)] * 2


def test_the_limit_keeps_the_best() -> None:
    """`max_det` cuts after suppression."""
    anchors = [[20.0 + 30 * place, 50, 10, 10, 0.5 + place / 100, 0, 0] for place in range(10)]
    (findings,) = yolo(max_det=3).findings(output(*anchors), FRAME)
    assert [round(defect.score, 2) for defect in findings.defects] == [0.59, 0.58, 0.57]


def test_small_boxes_do_not_use_up_the_limit() -> None:
    """A better box that is too small leaves its place to the next."""
    (findings,) = yolo(max_det=1, min_area_px=50).findings(
        output([50, 50, 5, 5, 0.9, 0, 0], [90, 90, 10, 10, 0.5, 0, 0]), FRAME
    )
    assert [defect.bbox for defect in findings.defects] == [(85.0, 85.0, 95.0, 95.0)]


def test_a_transposed_tensor_is_the_engines_failure() -> None:
    """Anchors first is another export; the shape is not guessed at."""
    with pytest.raises(EngineError, match=r"\[1, 8400, 7\]; \[N, 7, anchors\]") as caught:
        yolo().findings({"output0": np.zeros((1, 8400, 7), dtype=np.float32)}, FRAME)
    assert caught.value.param == "output0"


def test_logits_are_the_engines_failure() -> None:
    """Scores are probabilities; others show a wrong number of classes or another export."""
    with pytest.raises(EngineError, match="'output0' holds 3 where"):
        yolo().findings(output([100, 100, 20, 20, 3.0, 0, 0]), FRAME)


def test_no_anchors_are_no_defects() -> None:
    """An empty tensor is read as one."""
    assert yolo().findings({"output0": np.zeros((1, 7, 0), dtype=np.float32)}, FRAME)[0].defects == ()


ANCHOR = st.tuples(
    st.floats(-50, 700, width=32),
    st.floats(-50, 700, width=32),
    st.floats(-5, 200, width=32),
    st.floats(-5, 200, width=32),
    *[st.floats(0, 1, width=32)] * 3,
).map(list)


@given(st.lists(ANCHOR, max_size=20))
def test_whatever_the_anchors_the_defects_are_sound(anchors: list[list[float]]) -> None:
    """Every defect lies in the frame and is confident; the best is first."""
    (findings,) = yolo().findings(output(*anchors), FRAME)
    for defect in findings.defects:
        x0, y0, x1, y1 = defect.bbox
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 640
        assert 0.25 <= defect.score <= 1
    scores = [defect.score for defect in findings.defects]
    assert scores == sorted(scores, reverse=True)


INSIDE = st.tuples(
    st.integers(100, 500),
    st.integers(100, 500),
    st.integers(1, 90),
    st.integers(1, 90),
    *[st.floats(0, 1, width=32)] * 3,
).map(list)


@given(st.lists(INSIDE, max_size=20))
def test_defects_of_one_class_do_not_overlap(anchors: list[list[float]]) -> None:
    """Of boxes inside the frame, no two of one class share more than `iou`."""
    (findings,) = yolo(iou=0.3).findings(output(*anchors), FRAME)
    for name in CLASSES:
        boxes = np.array([defect.bbox for defect in findings.defects if defect.class_name == name]).reshape(-1, 4)
        assert (np.triu(box_iou(boxes, boxes), k=1) <= 0.3).all()
