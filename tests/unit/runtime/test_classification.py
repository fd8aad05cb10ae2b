from __future__ import annotations

import numpy as np
import pytest

from argosy.core.errors import InvalidRequest
from argosy.runtime.classification import check_classifiable, top_classes, wanted_classes
from argosy.runtime.contract import InferRequest


def test_the_highest_come_first() -> None:
    """Values are written as Triton writes them, highest first, with their index."""
    found = top_classes(np.array([[1, 2], [3, 0.5], [9, -1]], np.float32), 4, batched=False)
    assert found.tolist() == [b"9.000000:4", b"3.000000:2", b"2.000000:1", b"1.000000:0"]


def test_each_row_of_a_batch_is_ranked_by_itself() -> None:
    """A batch has one line of classes a row; equal values keep their order."""
    found = top_classes(np.array([[3, 5, 9], [1, 1, 0]], np.int64), 2, batched=True)
    assert found.tolist() == [[b"9:2", b"5:1"], [b"1:0", b"1:1"]]


def test_labels_follow_the_index() -> None:
    """An index with a label carries it; one beyond the labels does not."""
    found = top_classes(np.array([1, 9, 5], np.uint8), 9, batched=False, labels=("cat", "dog"))
    assert found.tolist() == [b"9:1:dog", b"5:2", b"1:0:cat"]


@pytest.mark.parametrize(("shape", "batched", "expected"), [((0,), False, (0,)), ((2, 0), True, (2, 0))])
def test_nothing_has_no_classes(shape: tuple[int, ...], batched: bool, expected: tuple[int, ...]) -> None:
    """An empty tensor has an empty answer of the right rank."""
    assert top_classes(np.zeros(shape, np.float32), 3, batched=batched).shape == expected


def test_only_outputs_that_are_wanted_count() -> None:
    """Parameters of an output that is not asked for ask for nothing."""
    parameters = {"a": {"classification": 2}, "b": {"classification": 3}, "c": {"other": 1}}
    request = InferRequest("m", {}, outputs=("a", "c"), output_parameters=parameters)
    assert wanted_classes(request) == {"a": 2}


@pytest.mark.parametrize("datatype", ["BYTES", "BOOL", "FP16", "BF16"])
def test_types_without_an_order_are_refused(datatype: str) -> None:
    """An output that Triton cannot rank is an invalid request that names it."""
    with pytest.raises(InvalidRequest) as caught:
        check_classifiable("y", datatype)
    assert caught.value.param == "y"
