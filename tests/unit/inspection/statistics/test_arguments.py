from __future__ import annotations

import math

import numpy as np
import pytest

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics import arguments


@pytest.mark.parametrize("values", [["a"], [[1.0, 2.0], [3.0]], [[1.0]], 1.0, [math.nan], [math.inf], None])
def test_what_is_no_row_of_numbers_is_refused(values: object) -> None:
    """Text, ragged rows, another number of dimensions and missing values name the argument."""
    with pytest.raises(InvalidRequest) as refused:
        arguments.floats(values, "scores")
    assert refused.value.param == "scores"


def test_the_message_counts_what_is_missing() -> None:
    """It says how many values to leave out."""
    with pytest.raises(InvalidRequest, match="2 values"):
        arguments.floats([1.0, math.nan, math.inf], "scores")


@pytest.mark.parametrize("values", [[0.5], [2.0**53 + 2], [-(2.0**53) - 2]])
def test_whole_numbers_are_exact(values: list[float]) -> None:
    """Neither a fraction nor a number too large for FP64 passes as a count."""
    with pytest.raises(InvalidRequest):
        arguments.integers(values, "counts")
    assert arguments.integers([2.0**53, -3.0], "counts").tolist() == [2**53, -3]


@pytest.mark.parametrize("values", [[2], [-1], [0.5]])
def test_flags_are_true_or_false(values: list[float]) -> None:
    """Any other number is a mistake, not a truth."""
    with pytest.raises(InvalidRequest):
        arguments.flags(values, "good")
    assert arguments.flags([1, 0, True], "good").tolist() == [True, False, True]


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, None])
def test_a_count_is_a_whole_number(value: object) -> None:
    """A truth value, a float, text and a negative number are none; NumPy's integers are."""
    with pytest.raises(InvalidRequest):
        arguments.count(value, "n")  # type: ignore[arg-type]
    assert arguments.count(np.int32(3), "n") == 3
    assert arguments.count(0, "n") == 0


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_positive_is_above_zero_and_finite(value: float) -> None:
    """Zero, negative numbers, NaN and infinity are refused."""
    with pytest.raises(InvalidRequest):
        arguments.positive(value, "area")


def test_the_least_count_is_allowed() -> None:
    """Nothing seen is a count; one below the least is not, and the message tells both."""
    assert arguments.counts([0, 4], "events").tolist() == [0, 4]
    assert arguments.counts([1], "sizes", least=1).tolist() == [1]
    with pytest.raises(InvalidRequest, match="holds 0; the least is 1"):
        arguments.counts([0, 4], "sizes", least=1)


def test_lengths_must_agree() -> None:
    """The message tells both."""
    with pytest.raises(InvalidRequest, match="3 and 2"):
        arguments.same_length("weights", np.zeros(3), np.zeros(2))
