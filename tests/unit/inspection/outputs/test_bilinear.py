from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from argosy.inspection.outputs.bilinear import interpolate, places, resize

Map = NDArray[np.float32]
MAPS = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda size: hnp.arrays(np.float32, size, elements=st.floats(-8, 8, width=32))
)


@given(MAPS, st.integers(0, 9), st.integers(0, 9))
def test_enlarging_is_pillows(small: Map, more_rows: int, more_columns: int) -> None:
    """Pillow's bilinear filter has the same rule where nothing is made smaller."""
    height, width = small.shape[0] + more_rows, small.shape[1] + more_columns
    reference = Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)
    assert resize(small, height, width) == pytest.approx(np.asarray(reference), abs=1e-4)


def test_two_pixels_become_four() -> None:
    """The quarters lie at -0.25, 0.25, 0.75 and 1.25 of the input, the outer two held at its ends."""
    assert resize(np.array([[0, 1]], dtype=np.float32), 1, 4).tolist() == [[0.0, 0.25, 0.75, 1.0]]


def test_the_same_size_is_the_same_array() -> None:
    """Nothing is copied when there is nothing to do."""
    maps = np.zeros((2, 3, 4), dtype=np.float32)
    assert resize(maps, 3, 4) is maps


@given(MAPS, st.data())
def test_a_part_is_cut_from_the_whole(small: Map, data: st.DataObject) -> None:
    """Interpolating the needed pixels alone gives what the whole has at that place."""
    height, width = 3 * small.shape[0] + 1, 4 * small.shape[1]
    top = data.draw(st.integers(0, height - 1))
    bottom = data.draw(st.integers(top + 1, height))
    left = data.draw(st.integers(0, width - 1))
    right = data.draw(st.integers(left + 1, width))
    rows, columns = places(top, bottom, height, small.shape[0]), places(left, right, width, small.shape[1])
    part = interpolate(small[rows.span, columns.span], rows.of_span(), columns.of_span())
    assert (part == resize(small, height, width)[top:bottom, left:right]).all()
