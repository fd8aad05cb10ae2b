from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.judging.length import length_of


def blank(height: int = 64, width: int = 64) -> np.ndarray:
    return np.zeros((height, width), dtype=bool)


def stroke(degrees: float, length: float, size: int = 300) -> np.ndarray:
    """A straight line of 3 pixels' width through the middle."""
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    along = x * math.cos(math.radians(degrees)) + y * math.sin(math.radians(degrees))
    across = -x * math.sin(math.radians(degrees)) + y * math.cos(math.radians(degrees))
    return (np.abs(along) <= length / 2) & (np.abs(across) <= 1.5)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_pixels_in_a_row_have_their_number_as_length(count: int) -> None:
    """Along either axis."""
    mask = blank()
    mask[5, 3 : 3 + count] = True
    assert length_of(mask) == count
    assert length_of(mask.T) == count


def test_a_diagonal_is_longer_by_the_root_of_two() -> None:
    """Between the centres of its first and last pixel."""
    assert length_of(np.eye(20, dtype=bool)) == pytest.approx(19 * math.sqrt(2) + 1)
    assert length_of(np.eye(20, dtype=bool)[::-1]) == pytest.approx(19 * math.sqrt(2) + 1)


@pytest.mark.parametrize("degrees", [0, 10, 22.5, 30, 45, 67.5, 90, 120])
def test_a_line_in_any_direction_is_measured_closely(degrees: float) -> None:
    """Never much too short, and at most 3 % and the corners of its ends too long."""
    assert 198 <= length_of(stroke(degrees, 200.0)) <= 200 * 1.028 + 3


def test_a_way_does_not_leave_the_mask() -> None:
    """A knight's move leads across pixels of the mask only: these two are joined by a straight and a diagonal step."""
    mask = blank()
    mask[10, 10] = mask[10, 11] = mask[11, 12] = True
    assert length_of(mask) == pytest.approx(1 + math.sqrt(2) + 1)
    mask[11, 11] = True
    assert length_of(mask) == pytest.approx(math.sqrt(5) + 1)


def test_the_way_follows_the_bends() -> None:
    """A U of three sides is as long as the three, though its ends lie close together."""
    mask = blank()
    mask[10:50, 10] = mask[49, 10:21] = mask[10:50, 20] = True
    # Two corners are cut, a diagonal step for two straight ones each.
    assert length_of(mask) == pytest.approx(39 + 10 + 39 + 1 - 2 * (2 - math.sqrt(2)))


def test_an_arc_is_as_long_as_its_angle_says() -> None:
    """Half a circle of radius 50, 3 pixels wide."""
    y, x = np.mgrid[:130, :130] - 65.0
    radius = np.hypot(x, y)
    assert length_of((np.abs(radius - 50) <= 1.5) & (y >= 0)) == pytest.approx(math.pi * 50, rel=0.04)


def test_the_longest_piece_counts() -> None:
    """Whichever comes first; the gap between them does not."""
    mask = blank()
    mask[2, 2:10] = mask[20, 5:35] = mask[40, 3:9] = True
    assert length_of(mask) == 30


def test_a_large_mask_is_measured_coarsely() -> None:
    """A disc of 800 pixels' width has half a million; its length is its width within some steps."""
    y, x = np.mgrid[:900, :900] - 450.0
    assert length_of(np.hypot(x, y) <= 400) == pytest.approx(800, rel=0.05)


@given(st.integers(0, 2**16 - 1).filter(bool), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_the_place_in_the_frame_does_not_matter(bits: int, down: int, right: int) -> None:
    """The length is at most that of a diagonal way through all its pixels, and the same anywhere in the frame."""
    shape = np.array([bool(bits >> bit & 1) for bit in range(16)]).reshape(4, 4)
    frame = blank(12, 12)
    frame[down : down + 4, right : right + 4] = shape
    assert length_of(frame) == length_of(shape)
    assert 1 <= length_of(shape) <= (shape.sum() - 1) * math.sqrt(2) + 1


@pytest.mark.parametrize("mask", [blank(), np.ones(5, dtype=bool)], ids=["empty", "flat"])
def test_a_mask_of_nothing_has_no_length(mask: np.ndarray) -> None:
    """There is no way through it."""
    with pytest.raises(InvalidRequest) as refused:
        length_of(mask)
    assert refused.value.param == "mask"
