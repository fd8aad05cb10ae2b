"""The figures, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from argosy.conversion.proof.measures import (
    NotFinite,
    classification_figures,
    detection_figures,
    embedding_figures,
    greedy_figures,
    language_figures,
    pooled,
    ranking_figures,
    tensor_figures,
)


def test_the_cosine_ignores_lengths_and_tells_mean_and_worst() -> None:
    """Rows at 0 and 90 degrees: mean one half, minimum none."""
    figures = embedding_figures(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert figures == pytest.approx({"cosine_mean": 0.5, "cosine_min": 0.0})


def test_a_constant_added_to_all_logits_is_no_error() -> None:
    """Softmax does not see it either."""
    logits = np.array([[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]])
    figures = classification_figures(logits + 7.0, logits)
    assert figures["top1_agreement"] == 1.0
    assert figures["max_logit_error"] == pytest.approx(0.0, abs=1e-12)


def test_a_class_that_flips_is_counted_once() -> None:
    """One row of two has another best class."""
    figures = classification_figures(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert figures["top1_agreement"] == 0.5
    assert figures["max_logit_error"] == pytest.approx(1.0)


def test_only_pairs_that_are_apart_tell_about_the_order() -> None:
    """The two nearly equal scores may change places; the exchange of the others counts, one pair in five."""
    wanted = np.array([0.0, 0.001, 5.0, 10.0])
    assert ranking_figures(np.array([0.001, 0.0, 5.0, 10.0]), wanted)["order_agreement"] == 1.0
    assert ranking_figures(np.array([0.0, 0.001, 10.0, 5.0]), wanted)["order_agreement"] == pytest.approx(4 / 5)


def test_the_worst_output_of_the_worst_sample_counts() -> None:
    """A relative error by the norm of the reference."""
    wanted = [{"a": np.ones(4), "b": np.full(4, 10.0)}]
    assert tensor_figures([{"a": np.full(4, 1.5), "b": np.full(4, 10.0)}], wanted)["relative_error"] == pytest.approx(
        0.5
    )


def test_another_shape_is_an_error_and_not_a_figure() -> None:
    """Broadcasting would hide it."""
    with pytest.raises(ValueError, match="shape"):
        tensor_figures([{"a": np.ones((1, 4))}], [{"a": np.ones((2, 4))}])


def test_perplexity_is_the_exponential_of_the_mean_surprise() -> None:
    """Probabilities of one half against one quarter: 2 by 4."""
    best = [np.array([1, 2]), np.array([3])]
    half, quarter = ([np.full(2, math.log(p)), np.full(1, math.log(p))] for p in (0.5, 0.25))
    figures = language_figures(best, half, [np.array([1, 5]), np.array([3])], quarter)
    assert figures["perplexity_ratio"] == pytest.approx(0.5)
    assert figures["token_agreement"] == pytest.approx(2 / 3)


def test_greedy_agreement_ends_at_the_first_other_letter() -> None:
    """What agrees again by chance later does not count."""
    assert greedy_figures(["abXd", "same"], ["abcd", "same"])["greedy_agreement"] == pytest.approx(0.75)


@pytest.mark.parametrize(("pooling", "wanted"), [("mean", [2.0, 3.0]), ("cls", [1.0, 2.0]), ("last", [3.0, 4.0])])
def test_pooling(pooling: str, wanted: list[float]) -> None:
    """As the engine pools."""
    assert pooled(np.array([[1.0, 2.0], [3.0, 4.0]]), pooling).tolist() == wanted


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_c4_values_that_are_not_numbers_have_no_figures(bad: float) -> None:
    """Comparisons with them would all be false, and a bound written the wrong way round would pass."""
    with pytest.raises(NotFinite):
        embedding_figures(np.array([[bad, 1.0]]), np.array([[1.0, 1.0]]))


def test_boxes_are_compared_where_the_original_sees_an_object() -> None:
    """A box moved by half its width shares a third with the original; the one of "nothing here" may be anywhere."""
    logits = np.array([[4.0, 0.0, 0.0], [0.0, 0.0, 4.0], [0.0, 3.0, 0.0]])
    boxes = np.array([[0.5, 0.5, 0.2, 0.2], [0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.4, 0.4]])
    moved = boxes + np.array([[0.1, 0.0, 0.0, 0.0], [0.6, 0.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    figures = detection_figures(logits, moved, logits, boxes, np.array([True, False, True]))
    assert figures == pytest.approx({"class_agreement": 1.0, "iou_mean": 2 / 3, "iou_min": 1 / 3})


def test_boxes_that_do_not_touch_share_nothing() -> None:
    """Nor does one without an extent; and a class that flips is counted."""
    boxes, away = np.array([[0.2, 0.2, 0.2, 0.2], [0.5, 0.5, 0.0, 0.0]]), np.array([[0.8, 0.8, 0.2, 0.2], [0.5] * 4])
    figures = detection_figures(np.eye(2), away, np.eye(2)[::-1], boxes, np.array([True, True]))
    assert figures == pytest.approx({"class_agreement": 0.0, "iou_mean": 0.0, "iou_min": 0.0})
