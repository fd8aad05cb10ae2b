from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pycocotools import mask as coco

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.inspection.outputs.activations import softmax
from argosy.inspection.outputs.defects import Frame
from argosy.inspection.outputs.semantic_seg import SemanticSegmentation

CLASSES = ("background", "scratch", "particle")


def network(
    *,
    logits: bool = False,
    anomaly_map: str | None = None,
    background: int = 0,
    conf: float = 0.5,
    low: float | None = None,
    max_det: int = 300,
    min_area_px: int = 1,
) -> SemanticSegmentation:
    return SemanticSegmentation("scores", logits, anomaly_map, CLASSES, background, conf, low, max_det, min_area_px)


def picture(*rows: str, sure: float = 0.75) -> Tensor:
    """Probabilities [1, 3, rows, columns]: '.' is background, 's' a scratch, 'p' a particle, each this sure."""
    numbers = np.array([[".sp".index(pixel) for pixel in row] for row in rows])
    return np.stack([np.where(numbers == kind, sure, (1 - sure) / 2) for kind in range(3)])[None].astype(np.float32)


def frame(tensor: Tensor) -> Frame:
    return Frame(width=tensor.shape[3], height=tensor.shape[2])


PICTURE = picture(
    "........",
    ".ss.....",
    "...s....",
    "......pp",
    "......pp",
)


def test_touching_pixels_are_a_defect() -> None:
    """Class, mean probability, box, area, centre and mask of every region, in the order of the score."""
    tensor = PICTURE.copy()
    tensor[0, :, 3:, 6:] = np.array([0.0, 0.125, 0.875], dtype=np.float32)[:, None, None]
    (findings,) = network().findings({"scores": tensor}, frame(tensor))
    particle, scratch = findings.defects
    assert (particle.class_name, particle.score) == ("particle", 0.875)
    assert (particle.bbox, particle.area_px, particle.centroid) == ((6.0, 3.0, 8.0, 5.0), 4.0, (7.0, 4.0))
    assert (scratch.class_name, scratch.score) == ("scratch", 0.75)
    assert (scratch.bbox, scratch.area_px) == ((1.0, 1.0, 4.0, 3.0), 3.0)
    assert scratch.centroid == pytest.approx((2.5, 11 / 6))
    assert scratch.mask is not None
    assert np.argwhere(scratch.mask.decode()).tolist() == [[1, 1], [1, 2], [2, 3]]


def test_the_anomaly_map_is_what_the_background_leaves() -> None:
    """Without a map of the model's own; the image's score is its largest value."""
    (findings,) = network().findings({"scores": PICTURE}, frame(PICTURE))
    assert findings.anomaly_map is not None
    assert (findings.anomaly_map == 1 - PICTURE[0, 0]).all()
    assert findings.anomaly_score == 0.875


@pytest.mark.parametrize("shape", [(1, 1, 5, 8), (1, 5, 8)])
def test_the_models_own_map_is_taken(shape: tuple[int, ...]) -> None:
    """With or without a channel dimension."""
    own = np.linspace(0, 0.625, 40, dtype=np.float32)
    (findings,) = network(anomaly_map="map").findings({"scores": PICTURE, "map": own.reshape(shape)}, frame(PICTURE))
    assert findings.anomaly_map is not None
    assert (findings.anomaly_map == own.reshape(5, 8)).all()
    assert findings.anomaly_score == 0.625
    assert len(findings.defects) == 2


def test_logits_say_what_probabilities_say() -> None:
    """The logarithms of the probabilities give the same defects."""
    (one,) = network().findings({"scores": PICTURE}, frame(PICTURE))
    (other,) = network(logits=True).findings({"scores": np.log(PICTURE)}, frame(PICTURE))
    assert [(defect.class_name, defect.mask) for defect in other.defects] == [
        (defect.class_name, defect.mask) for defect in one.defects
    ]
    assert [defect.score for defect in other.defects] == pytest.approx([defect.score for defect in one.defects])


def test_the_majority_names_a_mixed_region() -> None:
    """A region of two classes is one defect of the class of most pixels; its score is the mean of that class."""
    tensor = picture("psss")
    (findings,) = network().findings({"scores": tensor}, frame(tensor))
    (defect,) = findings.defects
    assert (defect.class_name, defect.score) == ("scratch", (3 * 0.75 + 0.125) / 4)


def test_a_tie_is_background() -> None:
    """A pixel that is as likely to be good is none of a defect."""
    tensor = np.array([[[[0.5, 0.375]], [[0.5, 0.5]], [[0.0, 0.125]]]], dtype=np.float32)
    (findings,) = network().findings({"scores": tensor}, frame(tensor))
    assert [defect.bbox for defect in findings.defects] == [(1.0, 0.0, 2.0, 1.0)]


def test_a_region_counts_when_it_is_likely_somewhere() -> None:
    """Of two regions the one whose best pixel reaches `conf` stays, with its weak pixels."""
    tensor = picture("sss...ss", sure=0.5)
    tensor[0, :, 0, 1] = (0.125, 0.75, 0.125)
    (findings,) = network(conf=0.8).findings({"scores": tensor}, frame(tensor))
    assert [defect.bbox for defect in findings.defects] == [(0.0, 0.0, 3.0, 1.0)]


def test_a_lower_threshold_widens_regions() -> None:
    """With `low`, pixels belong to a region although background is their best class."""
    tensor = np.array([[[[0.75, 0.25, 0.625, 0.875]], [[0.25, 0.75, 0.375, 0.125]], [[0, 0, 0, 0]]]], dtype=np.float32)
    (narrow,) = network().findings({"scores": tensor}, frame(tensor))
    (wide,) = network(low=0.25).findings({"scores": tensor}, frame(tensor))
    assert [defect.bbox for defect in narrow.defects] == [(1.0, 0.0, 2.0, 1.0)]
    assert [defect.bbox for defect in wide.defects] == [(0.0, 0.0, 3.0, 1.0)]


def test_the_background_may_be_any_class() -> None:
    """Here the last one is good, and the first two are defects."""
    tensor = picture("pps.")
    (findings,) = network(background=2).findings({"scores": tensor}, frame(tensor))
    assert [(defect.class_name, defect.bbox) for defect in findings.defects] == [("background", (2.0, 0.0, 4.0, 1.0))]


def test_small_regions_and_those_over_the_limit_go() -> None:
    """`min_area_px` and `max_det`; at equal scores the first in reading order stays."""
    tensor = picture("s..ss..ss")
    (findings,) = network(min_area_px=2, max_det=1).findings({"scores": tensor}, frame(tensor))
    assert [defect.bbox for defect in findings.defects] == [(3.0, 0.0, 5.0, 1.0)]


def test_scores_of_another_size_are_brought_to_the_frame() -> None:
    """A network that answers at half the size still gives boxes and masks of the frame."""
    (findings,) = network().findings({"scores": picture("....", ".s..", "....", "....")}, Frame(width=8, height=8))
    (defect,) = findings.defects
    assert defect.mask is not None
    assert (defect.mask.width, defect.mask.height) == (8, 8)
    assert defect.bbox == (2.0, 2.0, 4.0, 4.0)
    assert findings.anomaly_map is not None
    assert findings.anomaly_map.shape == (8, 8)


def test_every_image_has_findings() -> None:
    """One value for each image, in the order of the batch."""
    tensor = np.concatenate([picture("..."), picture("s.p")])
    findings = network().findings({"scores": tensor}, frame(tensor))
    assert [[defect.class_name for defect in image.defects] for image in findings] == [[], ["scratch", "particle"]]


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"scores": np.zeros((1, 2, 4, 4)), "map": np.zeros((1, 1, 4, 4))}, "scores"),
        ({"scores": np.zeros((1, 3, 0, 4)), "map": np.zeros((1, 1, 4, 4))}, "scores"),
        ({"scores": np.full((1, 3, 4, 4), 3.0), "map": np.zeros((1, 1, 4, 4))}, "scores"),
        ({"scores": np.full((1, 3, 4, 4), np.nan), "map": np.zeros((1, 1, 4, 4))}, "scores"),
        ({"scores": np.zeros((1, 3, 4, 4)), "map": np.zeros((1, 2, 4, 4))}, "map"),
        ({"scores": np.zeros((1, 3, 4, 4)), "map": np.zeros((2, 1, 4, 4))}, "map"),
        ({"scores": np.zeros((1, 3, 4, 4))}, "map"),
    ],
)
def test_broken_tensors_are_the_engines_failure(tensors: dict[str, Tensor], named: str) -> None:
    """Another number of classes, numbers that are no probabilities, or a map that does not belong."""
    with pytest.raises(EngineError) as caught:
        network(anomaly_map="map").findings(tensors, Frame(4, 4))
    assert caught.value.param == named


@given(
    hnp.arrays(np.float32, (1, 3, 9, 11), elements=st.sampled_from([-4.0, -1.0, 0.0, 0.5, 3.0])),
    st.sampled_from([None, 0.2]),
    st.integers(1, 4),
)
def test_whatever_the_scores_the_defects_are_sound(scores: NDArray[np.float32], low: float | None, least: int) -> None:
    """Masks, boxes and areas agree by pycocotools, no pixel belongs to two, and every region is likely somewhere."""
    (findings,) = network(logits=True, conf=0.6, low=low, min_area_px=least).findings({"scores": scores}, Frame(11, 9))
    defective = 1 - softmax(scores[0], axis=0)[0]
    covered = np.zeros((9, 11), dtype=np.int64)
    for defect in findings.defects:
        assert defect.mask is not None
        mask = defect.mask.decode()
        covered += mask
        x0, y0, x1, y1 = defect.bbox
        assert coco.toBbox(defect.mask.to_coco()).tolist() == [x0, y0, x1 - x0, y1 - y0]
        assert defect.area_px == mask.sum() >= least
        assert defective[mask].max() >= 0.6
        assert 0 <= defect.score <= 1
        assert x0 < defect.centroid[0] < x1
        assert y0 < defect.centroid[1] < y1
    assert covered.max() <= 1
