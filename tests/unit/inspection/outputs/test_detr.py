from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.defects import Defect, Frame
from argosy.inspection.outputs.detr import Detr

FRAME = Frame(width=200, height=100)


def detr(*, use_softmax: bool = True, max_det: int = 300) -> Detr:
    return Detr("logits", "pred_boxes", ("scratch", "particle"), use_softmax, 0.5, max_det, 1)


def log(*scores: float) -> list[float]:
    """Logits whose softmax is the scores."""
    return np.log(scores).tolist()


def logit(score: float) -> float:
    """The logit whose sigmoid is the score."""
    return float(np.log(score / (1 - score)))


def tensors(logits: list[list[float]], boxes: list[list[float]]) -> dict[str, Tensor]:
    return {"logits": np.array([logits], dtype=np.float32), "pred_boxes": np.array([boxes], dtype=np.float32)}


def test_a_query_is_a_defect() -> None:
    """Softmax over classes and "no object"; centre and size in parts of the frame become pixels."""
    given_logits = [log(0.125, 0.75, 0.125), log(0.05, 0.05, 0.9)]
    boxes = [[0.5, 0.5, 0.25, 0.5], [0.5, 0.5, 1, 1]]
    (findings,) = detr().findings(tensors(given_logits, boxes), FRAME)
    (defect,) = findings.defects
    assert defect == Defect("particle", defect.score, (75.0, 25.0, 125.0, 75.0), 2500.0, (100.0, 50.0))
    assert defect.score == pytest.approx(0.75)


def test_no_object_is_no_defect() -> None:
    """What is left for the classes counts, however the rest is spread: 0.4 is not 0.5."""
    (findings,) = detr().findings(tensors([log(0.4, 0.25, 0.35)], [[0.5, 0.5, 0.5, 0.5]]), FRAME)
    assert findings.defects == ()


@pytest.mark.parametrize("extra", [[], [30.0]])
def test_each_class_may_have_a_sigmoid(extra: list[float]) -> None:
    """Deformable DETR's form, and RF-DETR's with one column more, which is not read."""
    given_logits = [[logit(0.25), logit(0.75), *extra], [logit(0.2), logit(0.3), *extra]]
    (findings,) = detr(use_softmax=False).findings(tensors(given_logits, [[0.5, 0.5, 0.5, 0.5]] * 2), FRAME)
    (defect,) = findings.defects
    assert defect.class_name == "particle"
    assert defect.score == pytest.approx(0.75)


def test_a_query_is_one_defect() -> None:
    """Two likely classes of one query are not two defects."""
    (findings,) = detr(use_softmax=False).findings(tensors([[logit(0.75), logit(0.7)]], [[0.5, 0.5, 0.5, 0.5]]), FRAME)
    assert [defect.class_name for defect in findings.defects] == ["scratch"]


def test_the_best_come_first_and_only_they() -> None:
    """`max_det` cuts the least likely."""
    given_logits = [[logit(score), -9.0] for score in (0.6, 0.9, 0.8)]
    (findings,) = detr(use_softmax=False, max_det=2).findings(tensors(given_logits, [[0.5, 0.5, 0.5, 0.5]] * 3), FRAME)
    assert [round(defect.score, 3) for defect in findings.defects] == [0.9, 0.8]


@pytest.mark.parametrize(
    ("logits", "boxes", "named"),
    [
        (np.zeros((1, 5, 2)), np.zeros((1, 5, 4)), "logits"),
        (np.zeros((1, 5, 3)), np.zeros((1, 6, 4)), "pred_boxes"),
        (np.zeros((1, 5, 3)), np.zeros((2, 5, 4)), "pred_boxes"),
        (np.zeros((1, 5, 3)), np.zeros((1, 5, 5)), "pred_boxes"),
        (np.full((1, 5, 3), np.nan), np.zeros((1, 5, 4)), "logits"),
        (np.zeros((1, 5, 3)), np.full((1, 5, 4), np.inf), "pred_boxes"),
    ],
)
def test_tensors_that_do_not_match_are_the_engines_failure(logits: Tensor, boxes: Tensor, named: str) -> None:
    """One box for each query, one column for each class and one for none."""
    with pytest.raises(EngineError) as caught:
        detr().findings({"logits": logits, "pred_boxes": boxes}, FRAME)
    assert caught.value.param == named


@given(
    hnp.arrays(np.float32, (1, 6, 3), elements=st.floats(-1e4, 1e4, width=32)),
    hnp.arrays(np.float32, (1, 6, 4), elements=st.floats(-2, 2, width=32)),
    st.booleans(),
)
def test_whatever_the_queries_the_defects_are_sound(
    logits: NDArray[np.float32], boxes: NDArray[np.float32], use_softmax: bool
) -> None:
    """Every defect lies in the frame and is likely; the best is first."""
    (findings,) = detr(use_softmax=use_softmax).findings({"logits": logits, "pred_boxes": boxes}, FRAME)
    for defect in findings.defects:
        x0, y0, x1, y1 = defect.bbox
        assert 0 <= x0 < x1 <= FRAME.width
        assert 0 <= y0 < y1 <= FRAME.height
        assert 0.5 <= defect.score <= 1
    scores = [defect.score for defect in findings.defects]
    assert scores == sorted(scores, reverse=True)
