from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pycocotools import mask as coco

from argosy.core.errors import InvalidRequest
from argosy.inspection.outputs.rle import Rle, encode, encode_part, iou, parse

Mask = NDArray[np.bool_]

SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))
MASKS = SIZES.flatmap(lambda size: hnp.arrays(np.bool_, size))
BLOCKS = SIZES.flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.integers(0, size[0]),
        st.integers(0, size[0]),
        st.integers(0, size[1]),
        st.integers(0, size[1]),
    )
).map(lambda block: blocked(*block))
"""Masks of one rectangle: long runs, and columns that are full from edge to edge."""


def blocked(size: tuple[int, int], top: int, bottom: int, left: int, right: int) -> Mask:
    mask = np.zeros(size, dtype=np.bool_)
    mask[min(top, bottom) : max(top, bottom), min(left, right) : max(left, right)] = True
    return mask


def official(mask: Mask) -> dict[str, object]:
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))


@given(MASKS | BLOCKS)
def test_the_compressed_form_is_cocos(mask: Mask) -> None:
    """Character for character what pycocotools writes."""
    reference = official(mask)
    assert encode(mask).to_coco() == {"size": reference["size"], "counts": reference["counts"].decode()}


@given(MASKS | BLOCKS)
def test_cocos_compressed_form_is_read(mask: Mask) -> None:
    """What pycocotools wrote becomes the mask that it was made of."""
    read = parse(*mask.shape, official(mask)["counts"].decode())
    assert (read.decode() == mask).all()
    assert read == encode(mask)


@given(MASKS | BLOCKS)
def test_plain_counts_survive(mask: Mask) -> None:
    """Uncompressed counts, as COCO's annotation files hold them for crowds, are read by both."""
    rle = encode(mask)
    assert parse(rle.height, rle.width, list(rle.counts)) == rle
    plain = {"size": [rle.height, rle.width], "counts": list(rle.counts)}
    assert (coco.decode(coco.frPyObjects(plain, rle.height, rle.width)) == mask).all()


@given(MASKS | BLOCKS)
def test_area_and_box_are_cocos(mask: Mask) -> None:
    """Area and box agree with pycocotools, whose box is x, y, width, height."""
    rle = encode(mask)
    reference = official(mask)
    assert rle.area == coco.area(reference)
    x0, y0, x1, y1 = rle.bbox
    assert [x0, y0, x1 - x0, y1 - y0] == coco.toBbox(reference).tolist()


@given(SIZES.flatmap(lambda size: st.tuples(hnp.arrays(np.bool_, size), hnp.arrays(np.bool_, size))))
def test_overlap_is_cocos(pair: tuple[Mask, Mask]) -> None:
    """Intersection over union agrees with pycocotools."""
    one, other = pair
    reference = coco.iou([official(one)], [official(other)], [0])[0, 0]
    assert iou(encode(one), encode(other)) == pytest.approx(reference if (one | other).any() else 0.0, abs=1e-12)


def test_overlap_of_empty_masks_is_none() -> None:
    """Two empty masks share nothing."""
    empty = encode(np.zeros((3, 4), dtype=np.bool_))
    assert iou(empty, empty) == 0.0


def test_overlap_needs_one_size() -> None:
    """Masks of different frames are refused."""
    with pytest.raises(InvalidRequest, match="2 x 3 and 3 x 2"):
        iou(Rle(2, 3, (6,)), Rle(3, 2, (6,)))


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_part_is_as_good_as_the_whole(part: Mask, top: int, left: int, below: int, right: int) -> None:
    """Encoding the part that can be set gives the counts of the whole mask."""
    whole = np.pad(part, ((top, below), (left, right)))
    assert encode_part(part, top, left, *whole.shape) == encode(whole)


def test_runs_go_down_the_columns() -> None:
    """The first count is of background even when the first pixel is set."""
    mask = np.array([[1, 0, 1], [1, 0, 0]], dtype=np.bool_)
    assert encode(mask).counts == (0, 2, 2, 1, 1)


def test_empty_runs_inside_are_read() -> None:
    """A count of 0 in the middle, which some writers leave, changes nothing."""
    rle = parse(2, 3, [1, 2, 0, 1, 2])
    assert rle.decode().T.ravel().tolist() == [False, True, True, True, False, False]
    assert rle.area == 3
    assert rle.bbox == (0, 0, 2, 2)


def test_an_empty_run_of_mask_has_no_place() -> None:
    """A run of no pixels, where the first column is, does not widen the box."""
    assert parse(2, 3, [1, 0, 3, 1, 1]).bbox == (2, 0, 3, 1)
    assert parse(2, 3, [1, 0, 5]).bbox == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ([5], "add up to 5"),
        ([7, -1], "negative"),
        ("6\x7f", "compressed form"),
        ("6 ", "compressed form"),
        ("\ud800", "compressed form"),
        ("P", "compressed form"),
        ("ooooooo0", "32 bits"),
        ("", "add up to 0"),
    ],
)
def test_wrong_counts_are_refused(counts: str | list[int], why: str) -> None:
    """Counts that are no mask of 2 x 3 pixels are the caller's mistake."""
    with pytest.raises(InvalidRequest, match=why) as caught:
        parse(2, 3, counts)
    assert caught.value.param == "counts"


@pytest.mark.parametrize("size", [(-1, 3), (1 << 20, 1 << 20)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    """A negative or absurd size never reaches an allocation."""
    with pytest.raises(InvalidRequest) as caught:
        parse(*size, [0])
    assert caught.value.param == "size"


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the reader, and what it reads has the right number of pixels."""
    try:
        rle = parse(3, 4, text)
    except InvalidRequest:
        return
    assert rle.decode().shape == (3, 4)
