from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.tiles import Tiling, plan_tiles
from tests.unit.inspection.images.files import gradient

sides = st.integers(1, 50)
tilings = st.builds(
    lambda width, height, wide, tall, overlap: plan_tiles(
        width, height, tile_width=wide, tile_height=tall, overlap=overlap
    ),
    sides,
    sides,
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]),
)


def test_tiles_by_hand() -> None:
    """1,000 x 640 in tiles of 640 with 20 % overlap: two, the second pushed inward."""
    tiling = plan_tiles(1000, 640, tile_width=640, tile_height=640)
    assert tiling.origins == ((0, 0), (360, 0))
    assert plan_tiles(2000, 640, tile_width=640, tile_height=640).lefts == (0, 512, 1024, 1360)


@settings(deadline=None, max_examples=200)
@given(tilings)
def test_tiles_cover_and_overlap(tiling: Tiling) -> None:
    """Neighbours have at least the overlap in common, and no tile hangs over a picture that is larger."""
    for begins, tile, side in (
        (tiling.lefts, tiling.tile_width, tiling.width),
        (tiling.tops, tiling.tile_height, tiling.height),
    ):
        assert begins[0] == 0
        assert begins[-1] + tile == side or (begins == (0,) and tile >= side)
        assert all(0 < after - before <= tile for before, after in pairwise(begins))


@settings(deadline=None, max_examples=100)
@given(st.integers(21, 200), st.integers(5, 20), st.floats(0, 0.95))
def test_the_overlap_is_kept(side: int, tile: int, overlap: float) -> None:
    """What neighbours have in common is never less than was asked for, but for tiles that move by one pixel."""
    begins = plan_tiles(side, 1, tile_width=tile, tile_height=1, overlap=overlap).lefts
    for before, after in pairwise(begins):
        assert before + tile - after >= min(tile * overlap, tile - 1)


@settings(deadline=None, max_examples=100)
@given(tilings, st.sampled_from([0, 2, 3]), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_cut_and_blended_it_is_the_same(tiling: Tiling, channels: int, dtype: type) -> None:
    """Tiles of a picture, blended, are the picture."""
    shape = (tiling.height, tiling.width, channels)[: 3 if channels else 2]
    picture = np.random.default_rng(3).integers(0, 65535, shape).astype(dtype)
    blended = tiling.blend(tiling.cut(picture, fill=7))
    assert blended.shape == shape
    assert np.allclose(blended, picture.astype(np.float32), rtol=1e-6, atol=0)


@settings(deadline=None, max_examples=60)
@given(tilings)
def test_weights_sum_to_one(tiling: Tiling) -> None:
    """Tiles that all say one say one everywhere, to the last digit of the result."""
    ones = np.ones((len(tiling.origins), tiling.tile_height, tiling.tile_width))
    assert (tiling.blend(ones) == 1).all()


def test_there_is_no_seam() -> None:
    """Two tiles that disagree by 1 fade into each other: no step is larger than the overlap lets it be."""
    tiling = plan_tiles(180, 20, tile_width=100, tile_height=20, overlap=0.2)
    assert tiling.lefts == (0, 80)
    maps = np.stack([np.zeros((20, 100)), np.ones((20, 100))])
    blended = tiling.blend(maps)
    assert (blended[:, :80] == 0).all()
    assert (blended[:, 100:] == 1).all()
    steps = np.diff(blended, axis=1)
    assert (steps >= 0).all()
    assert steps.max() <= 1.5 / 20


@settings(deadline=None, max_examples=60)
@given(tilings, st.data())
def test_boxes_come_back(tiling: Tiling, data: st.DataObject) -> None:
    """A box of the picture that lies in a tile is the same after the way there and back."""
    index = data.draw(st.integers(0, len(tiling.origins) - 1))
    left, top = tiling.origins[index]
    right, bottom = min(left + tiling.tile_width, tiling.width), min(top + tiling.tile_height, tiling.height)
    x0, x1 = sorted(data.draw(st.tuples(*[st.floats(left, right)] * 2)))
    y0, y1 = sorted(data.draw(st.tuples(*[st.floats(top, bottom)] * 2)))
    inside = tiling.boxes_to_tile(index, [[x0, y0, x1, y1]])
    assert (inside >= 0).all()
    assert np.allclose(tiling.boxes_to_picture(index, inside), [[x0, y0, x1, y1]], rtol=0, atol=1e-9)


def test_a_box_frames_the_same_pixels() -> None:
    """A box found in a tile frames, in the picture, the pixels it framed in the tile."""
    picture = gradient(50, 70)
    tiling = plan_tiles(70, 50, tile_width=32, tile_height=32)
    tiles = tiling.cut(picture)
    for index in range(len(tiles)):
        x0, y0, x1, y1 = tiling.boxes_to_picture(index, [[3, 5, 11, 14]])[0].astype(int)
        assert np.array_equal(picture[y0:y1, x0:x1], tiles[index][5:14, 3:11])


def test_a_small_picture_is_filled_up() -> None:
    """A picture smaller than a tile stands in its corner, with the fill right and below."""
    tiling = plan_tiles(3, 2, tile_width=5, tile_height=4)
    (tile,) = tiling.cut(np.full((2, 3), 9, np.uint8), fill=114)
    assert (tile[:2, :3] == 9).all()
    assert (tile[2:] == 114).all()
    assert (tile[:, 3:] == 114).all()


@pytest.mark.parametrize(
    ("sizes", "overlap"), [((0, 5, 5, 5), 0.2), ((5, 5, 5, 0), 0.2), ((5, 5, 5, 5), 1.0), ((5, 5, 5, 5), -0.1)]
)
def test_plans_that_cannot_be_are_refused(sizes: tuple[int, int, int, int], overlap: float) -> None:
    """Sides of 0, and tiles that would never get on."""
    width, height, wide, tall = sizes
    with pytest.raises(InvalidRequest):
        plan_tiles(width, height, tile_width=wide, tile_height=tall, overlap=overlap)


def test_what_does_not_fit_the_plan_is_refused() -> None:
    """Another picture, or maps of other tiles."""
    tiling = plan_tiles(70, 50, tile_width=32, tile_height=32)
    with pytest.raises(InvalidRequest, match="planned was 70 x 50"):
        tiling.cut(gradient(70, 50))
    with pytest.raises(InvalidRequest, match="tiles of 32 x 32"):
        tiling.blend(np.zeros((5, 32, 32)))
