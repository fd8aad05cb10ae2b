from __future__ import annotations

import numpy as np
import pytest

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.products import draw_layout, draw_materials

SIZE = (160, 192)


def test_products_differ() -> None:
    """Each product has a layout of its own."""
    pictures = [draw_layout(1, product, SIZE).reference for product in range(6)]
    assert len({picture.tobytes() for picture in pictures}) == 6


def test_size_does_not_change_the_materials() -> None:
    """A product has the same levels and pitches at every size."""
    assert draw_layout(1, 3, (128, 128)).materials == draw_layout(1, 3, (256, 200)).materials == draw_materials(1, 3)


def test_a_larger_die_has_more_pads() -> None:
    """Structures keep their size in pixels."""
    assert len(draw_layout(1, 0, (256, 256)).pads) > len(draw_layout(1, 0, (128, 128)).pads)


def test_pads_lie_inside_and_apart() -> None:
    """Every pad is wholly in the picture and none covers another."""
    for product in range(20):
        layout = draw_layout(2, product, SIZE)
        side = 2 * layout.materials.pad_half + 1
        for index, pad in enumerate(layout.pads):
            half = layout.materials.pad_half
            assert half <= pad.x < SIZE[1] - half
            assert half <= pad.y < SIZE[0] - half
            assert all(max(abs(pad.x - o.x), abs(pad.y - o.y)) >= side for o in layout.pads[:index])


def test_a_ball_is_left_out_of_its_pad_alone() -> None:
    """Without one ball the canvas changes on its pad and nowhere else."""
    layout = draw_layout(1, 0, SIZE)
    change = layout.canvas() != layout.canvas(frozenset({2}))
    rows, columns = np.nonzero(change)
    pad = layout.pads[2]
    assert len(rows) > 20
    assert np.abs(rows - pad.y).max() <= pad.ball + 1
    assert np.abs(columns - pad.x).max() <= pad.ball + 1


def test_the_reference_is_the_ideal_die() -> None:
    """The golden reference follows the canvas; only its own focus and a little noise stand between."""
    layout = draw_layout(1, 0, SIZE)
    assert np.corrcoef(layout.canvas().ravel(), layout.reference.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("size", [(127, 128), (128, 1025), (0, 0)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    """Sides below 128 or above 1024 px are not drawn."""
    with pytest.raises(InvalidRequest, match="128 to 1024") as refused:
        draw_layout(1, 0, size)
    assert refused.value.param == "size"
