from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.classification import Classification
from argosy.inspection.outputs.defects import Defect, Frame

FRAME = Frame(width=64, height=32)


def classifier(*, logits: bool = False, background: int | None = 0) -> Classification:
    return Classification("scores", logits, ("good", "scratch", "stain"), background, 0.5)


def probabilities(*rows: list[float]) -> dict[str, Tensor]:
    return {"scores": np.array(rows, dtype=np.float32)}


def test_a_defect_is_as_large_as_the_frame() -> None:
    """The likeliest class, when it is no good one; the anomaly score is what the good one leaves."""
    (findings,) = classifier().findings(probabilities([0.125, 0.125, 0.75]), FRAME)
    assert findings.defects == (Defect("stain", 0.75, (0.0, 0.0, 64.0, 32.0), 2048.0, (32.0, 16.0)),)
    assert findings.anomaly_score == 0.875


def test_a_good_image_has_no_defect() -> None:
    """The good class is likeliest."""
    (findings,) = classifier().findings(probabilities([0.75, 0.25, 0]), FRAME)
    assert findings.defects == ()
    assert findings.anomaly_score == 0.25


def test_an_unsure_image_has_no_defect_and_still_a_score() -> None:
    """Below `conf` no class is named, but the image is seen not to be good."""
    (findings,) = classifier().findings(probabilities([0.125, 0.4375, 0.4375]), FRAME)
    assert findings.defects == ()
    assert findings.anomaly_score == 0.875


def test_a_class_at_the_threshold_is_named() -> None:
    """`conf` is the least probability."""
    (findings,) = classifier().findings(probabilities([0.25, 0.5, 0.25]), FRAME)
    assert [defect.class_name for defect in findings.defects] == ["scratch"]


def test_without_a_good_class_every_class_is_a_defect() -> None:
    """Then there is no anomaly score."""
    (findings,) = classifier(background=None).findings(probabilities([0.75, 0.25, 0]), FRAME)
    assert [defect.class_name for defect in findings.defects] == ["good"]
    assert findings.anomaly_score is None


def test_logits_go_through_softmax() -> None:
    """Logits of known probabilities give those."""
    logits = {"scores": np.log(np.array([[0.2, 0.7, 0.1], [0.6, 0.3, 0.1]], dtype=np.float32))}
    first, second = classifier(logits=True).findings(logits, FRAME)
    assert [(defect.class_name, round(defect.score, 5)) for defect in first.defects] == [("scratch", 0.7)]
    assert second.defects == ()
    assert second.anomaly_score == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("scores", "why"),
    [(np.zeros((1, 4)), r"\[N, 3\]"), (np.full((1, 3), np.nan), "NaN"), (np.array([[4.0, 0, 0]]), "probability")],
)
def test_a_broken_tensor_is_the_engines_failure(scores: Tensor, why: str) -> None:
    """Another number of classes, NaN, or logits where probabilities belong."""
    with pytest.raises(EngineError, match=why) as caught:
        classifier().findings({"scores": scores}, FRAME)
    assert caught.value.param == "scores"


@given(hnp.arrays(np.float32, (4, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_scores_are_probabilities(logits: NDArray[np.float32]) -> None:
    """Whatever the logits, each image has one defect at most, and all scores lie from 0 to 1."""
    findings = classifier(logits=True).findings({"scores": logits}, FRAME)
    assert len(findings) == 4
    for image in findings:
        assert image.anomaly_score is not None
        assert 0 <= image.anomaly_score <= 1
        assert all(0.5 <= defect.score <= 1 for defect in image.defects)
        assert len(image.defects) <= 1
