from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.defects import Defect, Frame
from argosy.inspection.outputs.yolo_e2e import YoloEndToEnd

FRAME = Frame(width=100, height=80)


def yolo(*, conf: float = 0.25, max_det: int = 300, min_area_px: float = 1) -> YoloEndToEnd:
    return YoloEndToEnd("output0", ("scratch", "particle"), conf, max_det, min_area_px)


def output(*rows: list[float]) -> dict[str, Tensor]:
    """As YOLO26 gives it: 300 rows, of which the last ones are nothing."""
    tensor = np.zeros((1, 300, 6), dtype=np.float32)
    tensor[0, : len(rows)] = np.array(rows, dtype=np.float32).reshape(-1, 6)
    return {"output0": tensor}


def test_a_row_is_a_defect() -> None:
    """Corners in pixels, then confidence, then class."""
    (findings,) = yolo().findings(output([10, 20, 30, 60, 0.75, 1]), FRAME)
    assert findings.defects == (Defect("particle", 0.75, (10.0, 20.0, 30.0, 60.0), 800.0, (20.0, 40.0)),)
    assert findings.anomaly_score is None
    assert findings.anomaly_map is None


def test_the_best_come_first_and_only_they() -> None:
    """More than `max_det` are cut at the lower end, and rows below `conf` are none."""
    rows = ([0, 0, 5, 5, 0.5, 0], [0, 0, 6, 6, 0.875, 0], [0, 0, 7, 7, 0.2, 0], [0, 0, 8, 8, 0.625, 1])
    (findings,) = yolo(max_det=2).findings(output(*rows), FRAME)
    assert [defect.score for defect in findings.defects] == [0.875, 0.625]


def test_confidence_at_the_threshold_counts() -> None:
    """`conf` is the least confidence, not the most that is dropped."""
    (findings,) = yolo(conf=0.5).findings(output([0, 0, 5, 5, 0.5, 0]), FRAME)
    assert len(findings.defects) == 1


def test_rounding_does_not_make_a_score_of_more_than_1() -> None:
    """A network in half precision may say 1.001."""
    (findings,) = yolo().findings(output([0, 0, 5, 5, 1.001, 0]), FRAME)
    assert findings.defects[0].score == 1.0


def test_boxes_are_held_within_the_frame() -> None:
    """A box over the edge is cut there; one outside of it, or turned inside out, is none."""
    rows = ([-5, 70, 20, 95, 0.9, 0], [100, 0, 120, 20, 0.9, 0], [30, 30, 20, 40, 0.9, 0])
    (findings,) = yolo().findings(output(*rows), FRAME)
    assert [(defect.bbox, defect.area_px) for defect in findings.defects] == [((0.0, 70.0, 20.0, 80.0), 200.0)]


def test_the_least_area_is_that_within_the_frame() -> None:
    """What is cut off does not count."""
    rows = ([-8, 0, 2, 10, 0.9, 0], [50, 50, 53, 57, 0.5, 0])
    (findings,) = yolo(min_area_px=21).findings(output(*rows), FRAME)
    assert [defect.bbox for defect in findings.defects] == [(50.0, 50.0, 53.0, 57.0)]


def test_overlapping_rows_both_stay() -> None:
    """The model has suppressed already; nothing is suppressed again."""
    (findings,) = yolo().findings(output([0, 0, 10, 10, 0.9, 0], [0, 0, 10, 10, 0.8, 0]), FRAME)
    assert len(findings.defects) == 2


def test_every_image_has_findings() -> None:
    """One value for each image, in the order of the batch."""
    tensor = np.concatenate([output()["output0"], output([0, 0, 4, 4, 0.9, 1])["output0"]])
    findings = yolo().findings({"output0": tensor}, FRAME)
    assert [[defect.class_name for defect in image.defects] for image in findings] == [[], ["particle"]]


def test_rows_that_fill_may_hold_anything_finite() -> None:
    """Some exporters fill with -1; rows below the threshold are not looked at."""
    tensor = np.full((1, 300, 6), -1, dtype=np.float32)
    assert yolo().findings({"output0": tensor}, FRAME)[0].defects == ()


def test_no_rows_are_no_defects() -> None:
    """A model that cuts its rows off may have none left."""
    assert yolo().findings({"output0": np.zeros((1, 0, 6), dtype=np.float32)}, FRAME)[0].defects == ()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([0, 0, 5, 5, 0.9, 2], "class 2"),
        ([0, 0, 5, 5, 0.9, -1], "class -1"),
        ([0, 0, 5, 5, 0.9, 0.5], "class 0.5"),
        ([0, 0, 5, 5, 7.5, 0], "7.5 where a probability"),
        ([0, 0, float("nan"), 5, 0.9, 0], "NaN"),
    ],
)
def test_impossible_rows_are_the_engines_failure(row: list[float], why: str) -> None:
    """A class that is not named, a confidence above 1, or NaN: an error with the tensor's name."""
    with pytest.raises(EngineError, match=why) as caught:
        yolo().findings(output(row), FRAME)
    assert caught.value.param == "output0"


def test_another_shape_is_the_engines_failure() -> None:
    """Rows of seven are turned boxes, another kind of model."""
    with pytest.raises(EngineError, match=r"\[1, 300, 7\]; \[N, boxes, 6\]"):
        yolo().findings({"output0": np.zeros((1, 300, 7), dtype=np.float32)}, FRAME)


EDGE = st.floats(-300, 300, width=32)
ROW = st.tuples(EDGE, EDGE, EDGE, EDGE, st.floats(0, 1, width=32), st.integers(0, 1)).map(list)


@given(st.lists(ROW, max_size=12))
def test_whatever_the_boxes_the_defects_are_sound(rows: list[list[float]]) -> None:
    """Every defect lies in the frame, is not empty, has its centre inside, and the best is first."""
    (findings,) = yolo().findings(output(*rows), FRAME)
    for defect in findings.defects:
        x0, y0, x1, y1 = defect.bbox
        assert 0 <= x0 < x1 <= FRAME.width
        assert 0 <= y0 < y1 <= FRAME.height
        assert x0 <= defect.centroid[0] <= x1
        assert y0 <= defect.centroid[1] <= y1
        assert 0.25 <= defect.score <= 1
        assert defect.area_px >= 1
    scores = [defect.score for defect in findings.defects]
    assert scores == sorted(scores, reverse=True)
