from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.nms import box_iou, suppress

COORDINATE = st.integers(0, 12)
BOX = st.tuples(COORDINATE, COORDINATE, st.integers(0, 8), st.integers(0, 8)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
CANDIDATE = st.tuples(BOX, st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]), st.integers(0, 2))
CANDIDATES = st.lists(CANDIDATE, max_size=24)
"""Few scores and small boxes, so that ties and overlaps are common."""
IOU = st.sampled_from([0.0, 0.3, 0.5, 1.0])

Candidate = tuple[tuple[int, int, int, int], float, int]


def arrays(candidates: list[Candidate]) -> tuple[Tensor, Tensor, Tensor]:
    boxes = np.array([box for box, _, _ in candidates], dtype=np.float64).reshape(-1, 4)
    return boxes, np.array([score for _, score, _ in candidates]), np.array([kind for _, _, kind in candidates], int)


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - width * height
    return width * height / union if union else 0.0


def one_by_one(candidates: list[Candidate], iou: float) -> list[Candidate]:
    """Greedy suppression as the books define it, over plain tuples."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: (-candidate[1], candidate[2], candidate[0])):
        box, _, kind = candidate
        if all(kind != other or overlap(box, rival) <= iou for rival, _, other in kept):
            kept.append(candidate)
    return kept


@given(CANDIDATES, IOU)
def test_the_boxes_of_the_plain_definition_stay(candidates: list[Candidate], iou: float) -> None:
    """The same boxes in the same order as one comparison after the other gives."""
    kept = suppress(*arrays(candidates), iou=iou, most=100)
    assert [candidates[index] for index in kept] == one_by_one(candidates, iou)


@given(CANDIDATES.flatmap(lambda items: st.tuples(st.just(items), st.permutations(items))), IOU)
def test_the_order_of_the_input_does_not_matter(pair: tuple[list[Candidate], list[Candidate]], iou: float) -> None:
    """A shuffled input keeps the same boxes, ties included."""
    one, other = pair
    first = [one[index] for index in suppress(*arrays(one), iou=iou, most=100)]
    assert [other[index] for index in suppress(*arrays(other), iou=iou, most=100)] == first


@given(CANDIDATES, IOU, st.integers(1, 5))
def test_a_limit_keeps_the_best(candidates: list[Candidate], iou: float, most: int) -> None:
    """Stopping early gives the beginning of the whole result."""
    everything = suppress(*arrays(candidates), iou=iou, most=100).tolist()
    assert suppress(*arrays(candidates), iou=iou, most=most).tolist() == everything[:most]


@given(CANDIDATES, CANDIDATES)
def test_overlap_is_cocos(one: list[Candidate], other: list[Candidate]) -> None:
    """Intersection over union agrees with pycocotools for boxes that are not empty."""
    left, right = arrays(one)[0], arrays(other)[0]
    left, right = (boxes[((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)] for boxes in (left, right))
    if not len(left) or not len(right):
        return
    sizes = [np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1) for boxes in (left, right)]
    reference = coco.iou(sizes[0], sizes[1], [0] * len(right))
    assert box_iou(left, right) == pytest.approx(np.asarray(reference))


def test_another_class_does_not_suppress() -> None:
    """Two classes at one place both stay."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 11, 10]], dtype=np.float32)
    kept = suppress(boxes, np.array([0.5, 0.9, 0.8]), np.array([0, 1, 1]), iou=0.5, most=10)
    assert kept.tolist() == [1, 0]


def test_an_overlap_of_just_the_threshold_stays() -> None:
    """Only more than the threshold goes: these two share exactly one third."""
    boxes = np.array([[0, 0, 2, 1], [1, 0, 3, 1]])
    kept = suppress(boxes, np.array([0.9, 0.8]), np.array([0, 0]), iou=1 / 3, most=10)
    assert kept.tolist() == [0, 1]


def test_boxes_far_apart_by_class_keep_their_precision() -> None:
    """Small boxes far from the origin are compared exactly, whatever their class number is."""
    boxes = np.array([[8000, 8000, 8004, 8004], [8002, 8000, 8006, 8004]], dtype=np.float32)
    kept = suppress(boxes, np.array([0.9, 0.8]), np.array([79, 79]), iou=0.33, most=10)
    assert kept.tolist() == [0]
