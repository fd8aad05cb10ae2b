from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.anomaly_map import AnomalyMap
from argosy.inspection.outputs.defects import Frame

FRAME = Frame(width=5, height=3)
MAP = np.array(
    [[[[0.0, 0.5, 0.625, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.75], [0.0, 0.0, 0.0, 0.0, 0.875]]]], dtype=np.float32
)
MASK = MAP > 0.55


def anomalies(**changed: Any) -> AnomalyMap:
    values: dict[str, Any] = {
        "anomaly_map": None,
        "pred_mask": None,
        "pred_score": None,
        "pred_label": None,
        "class_name": "anomaly",
        "low": 0.5,
        "conf": 0.5,
        "value_range": None,
        "max_det": 300,
        "min_area_px": 1,
    }
    return AnomalyMap(**(values | changed))


def anomalib(**changed: Any) -> AnomalyMap:
    names = {name: name for name in ("anomaly_map", "pred_mask", "pred_score", "pred_label")}
    return anomalies(**(names | changed))


def output(*, label: bool = True, mask: Tensor = MASK) -> dict[str, Tensor]:
    """As Anomalib exports it."""
    return {
        "pred_score": np.array([0.9375], dtype=np.float32),
        "pred_label": np.array([label]),
        "anomaly_map": MAP,
        "pred_mask": mask,
    }


@pytest.mark.parametrize("shape", [(1, 1, 3, 5), (1, 3, 5)])
def test_regions_of_a_map(shape: tuple[int, ...]) -> None:
    """Touching pixels that reach the threshold; the score is the peak, and the image's is that of the best."""
    (findings,) = anomalies(anomaly_map="out").findings({"out": MAP.reshape(shape)}, FRAME)
    assert [(defect.class_name, defect.score, defect.bbox, defect.area_px) for defect in findings.defects] == [
        ("anomaly", 0.875, (4.0, 1.0, 5.0, 3.0), 2.0),
        ("anomaly", 0.625, (1.0, 0.0, 3.0, 1.0), 2.0),
    ]
    assert findings.anomaly_score == 0.875
    assert findings.anomaly_map is not None
    assert (findings.anomaly_map == MAP[0, 0]).all()


def test_two_thresholds() -> None:
    """A region holds what reaches `low`, and counts when it reaches `conf`."""
    (findings,) = anomalies(anomaly_map="out", conf=0.875).findings({"out": MAP}, FRAME)
    assert [defect.area_px for defect in findings.defects] == [2.0]
    assert anomalies(anomaly_map="out", conf=0.9).findings({"out": MAP}, FRAME)[0].defects == ()


def test_the_models_mask_is_taken() -> None:
    """With Anomalib's four outputs the mask says where, the map how much, and the score is the image's."""
    (findings,) = anomalib().findings(output(), FRAME)
    assert [(defect.score, defect.bbox) for defect in findings.defects] == [
        (0.875, (4.0, 1.0, 5.0, 3.0)),
        (0.625, (2.0, 0.0, 3.0, 1.0)),
    ]
    assert findings.anomaly_score == 0.9375


def test_a_good_label_means_no_defects() -> None:
    """The model's own decision about the image; score and map are kept."""
    (findings,) = anomalib().findings(output(label=False), FRAME)
    assert findings.defects == ()
    assert findings.anomaly_score == 0.9375
    assert findings.anomaly_map is not None


def test_an_anomalous_image_without_a_region_has_a_defect() -> None:
    """An anomaly that no pixel shows is not lost: it is as large as the frame."""
    (findings,) = anomalib().findings(output(mask=np.zeros_like(MASK)), FRAME)
    (defect,) = findings.defects
    assert (defect.score, defect.bbox, defect.mask) == (0.9375, (0.0, 0.0, 5.0, 3.0), None)


def test_a_mask_alone() -> None:
    """Without a map the score of a region is the image's, or 1."""
    one = anomalies(pred_mask="mask").findings({"mask": MASK}, FRAME)[0]
    assert ([defect.score for defect in one.defects], one.anomaly_score) == ([1.0, 1.0], None)
    tensors = {"mask": MASK, "score": np.array([[0.75]], dtype=np.float32)}
    other = anomalies(pred_mask="mask", pred_score="score").findings(tensors, FRAME)[0]
    assert ([defect.score for defect in other.defects], other.anomaly_score) == ([0.75, 0.75], 0.75)


@pytest.mark.parametrize(("score", "defects"), [(0.5, 1), (0.49, 0)])
def test_a_score_alone(score: float, defects: int) -> None:
    """An image whose score reaches `conf` has a defect as large as the frame."""
    (findings,) = anomalies(pred_score="score").findings({"score": np.array([score], dtype=np.float32)}, FRAME)
    assert len(findings.defects) == defects
    assert findings.anomaly_score == pytest.approx(score)


def test_a_score_beside_a_map_makes_no_defect() -> None:
    """Without a label the pixels decide: what is too small stays out, however high the score."""
    tensors = {"out": MAP, "score": np.array([0.9375], dtype=np.float32)}
    (findings,) = anomalies(anomaly_map="out", pred_score="score", min_area_px=3).findings(tensors, FRAME)
    assert findings.defects == ()
    assert findings.anomaly_score == 0.9375


def test_a_label_alone() -> None:
    """Yes is a defect of score 1."""
    findings = anomalies(pred_label="label").findings({"label": np.array([True, False])}, FRAME)
    assert [[defect.score for defect in image.defects] for image in findings] == [[1.0], []]


def test_a_range_is_brought_to_0_to_1() -> None:
    """For models that do not normalise; what lies beyond is held at the ends."""
    tensors = {"out": MAP * 40 - 10, "score": np.array([35.0], dtype=np.float32)}
    chosen = anomalies(anomaly_map="out", pred_score="score", value_range=(-10.0, 20.0))
    (findings,) = chosen.findings(tensors, FRAME)
    assert findings.anomaly_score == 1.0
    assert findings.anomaly_map is not None
    assert findings.anomaly_map == pytest.approx(np.clip(MAP[0, 0] * 4 / 3, 0, 1))


def test_a_map_that_is_not_normalised_is_the_engines_failure() -> None:
    """Distances read as probabilities would make every pixel a defect."""
    with pytest.raises(EngineError, match="'out' holds 35 where") as caught:
        anomalies(anomaly_map="out").findings({"out": MAP * 40}, FRAME)
    assert caught.value.param == "out"


def test_a_smaller_map_is_brought_to_the_frame() -> None:
    """Map and mask of half the size give boxes of the frame."""
    (findings,) = anomalib().findings(output(), Frame(width=10, height=6))
    assert [defect.bbox for defect in findings.defects] == [(8.0, 2.0, 10.0, 6.0), (4.0, 0.0, 6.0, 2.0)]
    assert findings.anomaly_map is not None
    assert findings.anomaly_map.shape == (6, 10)


def test_small_regions_and_those_over_the_limit_go() -> None:
    """`min_area_px` and `max_det`."""
    assert len(anomalib(min_area_px=2).findings(output(), FRAME)[0].defects) == 1
    assert [defect.score for defect in anomalib(max_det=1).findings(output(), FRAME)[0].defects] == [0.875]


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("anomaly_map", np.zeros((1, 2, 3, 5))),
        ("anomaly_map", np.full((1, 1, 3, 5), np.nan)),
        ("pred_mask", np.zeros((3, 5))),
        ("pred_score", np.zeros((1, 2))),
        ("pred_label", np.zeros((2,))),
    ],
)
def test_broken_tensors_are_the_engines_failure(name: str, tensor: Tensor) -> None:
    """Wrong shapes, NaN, or another number of images."""
    with pytest.raises(EngineError) as caught:
        anomalib().findings(output() | {name: tensor}, FRAME)
    assert caught.value.param == name


@given(hnp.arrays(np.float32, (1, 1, 7, 9), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])))
def test_whatever_the_map_the_defects_are_sound(values: NDArray[np.float32]) -> None:
    """Every pixel that reaches `low` and touches a strong one is in one mask; each score is its mask's peak."""
    (findings,) = anomalies(anomaly_map="out", low=0.4, conf=0.6).findings({"out": values}, Frame(9, 7))
    covered = np.zeros((7, 9), dtype=np.int64)
    for defect in findings.defects:
        assert defect.mask is not None
        mask = defect.mask.decode()
        covered += mask
        assert defect.score == pytest.approx(values[0, 0][mask].max())
        assert defect.score >= 0.6
        assert defect.bbox == defect.mask.bbox
    assert covered.max() <= 1
    assert (values[0, 0][covered == 1] >= 0.4).all()
    assert (covered[values[0, 0] >= 0.6] == 1).all()
