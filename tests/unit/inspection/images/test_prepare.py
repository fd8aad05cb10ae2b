from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.prepare import Placement, letterbox, resize, stretch, to_eight_bits, to_gray, to_rgb
from tests.unit.inspection.images.files import gradient

Place = Callable[[Any, int, int], tuple[Any, Placement]]
sides = st.integers(1, 60)


def test_luma_is_that_of_bt_601() -> None:
    """Red, green and blue weigh 0.299, 0.587 and 0.114, at both depths, and white stays white."""
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert to_gray(colours).tolist() == [[76, 150, 29, 255]]
    deep = to_gray(colours.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert deep.tolist() == [[19595, 38469, 7471, 65535]]


def test_gray_becomes_rgb_and_back() -> None:
    """Three equal channels are the same gray."""
    gray = gradient(dtype=np.uint16)
    assert np.array_equal(to_gray(to_rgb(gray)), gray)
    assert to_rgb(gray).shape == (24, 32, 3)
    assert to_gray(gray) is gray


def test_limits_become_black_and_white() -> None:
    """Values at and beyond the limits are 0 and 255, the middle is 128, and nothing wraps around."""
    pixels = np.array([[0, 999, 1000, 1500, 2000, 2001, 65535]], np.uint16)
    assert to_eight_bits(pixels, low=1000, high=2000).tolist() == [[0, 0, 0, 128, 255, 255, 255]]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 65534), st.integers(1, 65535))
def test_scaling_is_rounded_and_rises(low: int, span: int) -> None:
    """Each value is within half a step of the exact one, and none is less than the one before."""
    high = min(low + span, 65535)
    every = np.arange(65536, dtype=np.uint16)[None]
    scaled = to_eight_bits(every, low=low, high=high)[0].astype(int)
    exact = np.clip((np.arange(65536) - low) / (high - low), 0, 1) * 255
    assert np.abs(scaled - exact).max() <= 0.5 + 1e-9
    assert (np.diff(scaled) >= 0).all()


@pytest.mark.parametrize(("low", "high"), [(5, 5), (6, 5), (-1, 5), (0, 65536)])
def test_limits_that_mean_nothing_are_refused(low: int, high: int) -> None:
    """Limits must rise, within what the dtype holds."""
    with pytest.raises(InvalidRequest, match="rising"):
        to_eight_bits(gradient(dtype=np.uint16), low=low, high=high)


def test_shrinking_skips_no_pixel() -> None:
    """The mean stays, although only few pixels are left: fine stripes become gray, not black or white."""
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize(stripes, 8, 8).astype(int) - 100).max() <= 8


def test_sixteen_bits_are_not_resized() -> None:
    """They would have to be crushed, and who asks must say how."""
    with pytest.raises(InvalidRequest, match="to_eight_bits"):
        resize(gradient(dtype=np.uint16), 8, 8)
    with pytest.raises(InvalidRequest, match="at least 1"):
        letterbox(gradient(), 0, 8)
    with pytest.raises(InvalidRequest, match="0 to 255"):
        letterbox(gradient(), 8, 8, fill=256)


def test_a_wide_picture_is_padded_above_and_below() -> None:
    """Half as high as wide: a quarter of the input above, a quarter below, filled evenly."""
    framed, placement = letterbox(np.full((50, 100, 3), 200, np.uint8), 64, 64)
    assert (placement.left, placement.top, placement.placed_width, placement.placed_height) == (0, 16, 64, 32)
    assert (framed[:16] == 114).all()
    assert (framed[48:] == 114).all()
    assert (framed[16:48] == 200).all()
    assert framed.shape == (64, 64, 3)


def test_a_box_by_hand() -> None:
    """A box in the input is where it belongs in the picture, cut off at the border."""
    _, placement = letterbox(np.zeros((50, 100), np.uint8), 64, 64)
    assert placement.boxes_to_picture([[0, 16, 32, 32], [-9, 0, 99, 64]]).tolist() == [
        [0, 0, 50, 25],
        [0, 0, 100, 50],
    ]


@settings(deadline=None, max_examples=100)
@given(sides, sides, sides, sides, st.sampled_from([letterbox, stretch]), st.data())
def test_boxes_come_back(
    width: int, height: int, input_width: int, input_height: int, place: Place, data: st.DataObject
) -> None:
    """From the picture to the input and back a box is the same, and it lies within the input."""
    _, placement = place(np.zeros((height, width), np.uint8), input_width, input_height)
    x0, x1 = sorted(data.draw(st.tuples(*[st.floats(0, width)] * 2)))
    y0, y1 = sorted(data.draw(st.tuples(*[st.floats(0, height)] * 2)))
    inside = placement.boxes_to_input([[x0, y0, x1, y1]])
    assert (inside >= -1e-9).all()
    assert (inside <= np.array([input_width, input_height] * 2) + 1e-9).all()
    assert np.allclose(placement.boxes_to_picture(inside), [[x0, y0, x1, y1]], rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=100)
@given(sides, sides, st.integers(60, 90), st.integers(60, 90))
def test_maps_come_back(width: int, height: int, input_width: int, input_height: int) -> None:
    """A map has the picture's size, none of the padding, and the picture's place."""
    picture = np.zeros((height, width), np.uint8)
    framed, placement = letterbox(picture, input_width, input_height, fill=255)
    assert (placement.map_to_picture(framed) == 0).all()
    assert placement.map_to_picture(framed).shape == (height, width)


def test_a_map_of_a_picture_that_fits_is_exact() -> None:
    """Where nothing was scaled, each value of the map is that of its pixel."""
    picture = gradient(24, 32)
    framed, placement = letterbox(picture, 32, 40)
    assert np.array_equal(placement.map_to_picture(framed), picture.astype(np.float32))
    with pytest.raises(InvalidRequest, match="The map is"):
        placement.map_to_picture(picture)


def test_a_ramp_keeps_its_place() -> None:
    """A map that rises across the picture rises at the same pace after enlarging: no shift by half a pixel."""
    _, placement = stretch(np.zeros((8, 80), np.uint8), 20, 8)
    ramp = np.tile((np.arange(20, dtype=np.float32) + 0.5) * 4, (8, 1))
    back = placement.map_to_picture(ramp)
    inner = slice(4, -4)
    assert np.allclose(back[:, inner], np.tile(np.arange(80) + 0.5, (8, 1))[:, inner], atol=1e-3)
