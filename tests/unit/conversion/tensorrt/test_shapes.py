"""The shapes a TensorRT engine is built for."""

from __future__ import annotations

import pytest

from argosy.conversion.tensorrt.shapes import ShapeRange, shape_ranges, trtexec_shapes
from argosy.core.errors import InvalidSetting


def test_a_fixed_network_needs_no_profile() -> None:
    """TensorRT takes its only shape from the network."""
    assert shape_ranges({"x": (1, 3, 8, 8)}, [], 32) == {}
    assert trtexec_shapes({}) == []


def test_an_open_first_dimension_counts_rows() -> None:
    """One row is least, half of the batch is usual."""
    ranges = shape_ranges({"x": (-1, 3, 8, 8)}, [], 32)
    assert ranges == {"x": ShapeRange((1, 3, 8, 8), (16, 3, 8, 8), (32, 3, 8, 8))}
    assert shape_ranges({"x": (-1, 2)}, [], 1)["x"] == ShapeRange((1, 2), (1, 2), (1, 2))


def test_other_open_dimensions_go_as_far_as_the_samples() -> None:
    """Their median is usual; fixed inputs beside them have no range."""
    samples = [{"ids": (1, size), "scale": (1,)} for size in (5, 9, 30)]
    ranges = shape_ranges({"ids": (-1, -1), "scale": (1,)}, samples, 8)
    assert ranges == {"ids": ShapeRange((1, 1), (4, 9), (8, 30))}


def test_a_limit_may_go_further_than_the_samples_and_not_less_far() -> None:
    """The proof asks the engine for the samples."""
    samples = [{"ids": (1, 30)}]
    assert shape_ranges({"ids": (-1, -1)}, samples, 8, 512)["ids"].largest == (8, 512)
    with pytest.raises(InvalidSetting, match=r"--max-dimension 16.*30"):
        shape_ranges({"ids": (-1, -1)}, samples, 8, 16)


def test_an_open_dimension_that_no_sample_shows_is_asked_for() -> None:
    """Samples of another rank show nothing."""
    with pytest.raises(InvalidSetting, match="say --max-dimension"):
        shape_ranges({"ids": (-1, -1)}, [{"ids": (7,)}], 8)


def test_trtexec_gets_the_three_sides() -> None:
    """In its own spelling, inputs in order."""
    ranges = shape_ranges({"a": (-1, 3), "b": (-1,)}, [], 4)
    assert trtexec_shapes(ranges) == ["--minShapes=a:1x3,b:1", "--optShapes=a:2x3,b:2", "--maxShapes=a:4x3,b:4"]
