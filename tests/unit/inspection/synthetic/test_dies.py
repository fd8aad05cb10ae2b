from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.defects import SMALLEST_PX, Defect
from argosy.inspection.synthetic.dies import Die, draw_die, without_defects
from argosy.inspection.synthetic.nuisances import DUST_LIMIT_PX
from argosy.inspection.synthetic.products import draw_layout
from argosy.inspection.synthetic.wafers import Event, Process, Wafer, draw_wafer

SIZE = (128, 128)


def crowded(seed: int, count: int, size: tuple[int, int] = SIZE) -> list[Die]:
    """The first dies of a wafer with about three random defects on each."""
    wafer, layout = draw_wafer(seed, 0, 0, 0, density=3.0), draw_layout(seed, 0, size)
    return [draw_die(wafer, layout, *site) for site in wafer.grid.dies[:count]]


def only(wafer: Wafer, *events: Event) -> Wafer:
    return replace(wafer, events=events)


def same(one: Die, other: Die) -> bool:
    arrays = ("image", "reference", "classes", "instances")
    return one.defects == other.defects and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


@pytest.fixture(scope="module")
def dies() -> list[Die]:
    return crowded(3, 40)


@given(seed=st.integers(0, 2**64))
@settings(max_examples=8, deadline=None)
def test_one_seed_gives_the_same_bytes(seed: int) -> None:
    """Two drawings from one seed are equal in every array and defect."""
    assert all(same(*pair) for pair in zip(crowded(seed, 2), crowded(seed, 2), strict=True))


def test_version_1_stays_as_it_is() -> None:
    """One die as it was first drawn: a change of the drawings needs a new `streams.VERSION`."""
    wafer, layout = draw_wafer(2026, 1, 2, 3, density=4.0), draw_layout(2026, 1, (128, 160))
    die = draw_die(wafer, layout, 2, 16)
    assert [(defect.defect.label, defect.box, defect.area_px) for defect in die.defects] == [
        ("missing_bond", (141, 58, 153, 70), 113),
        ("missing_bond", (141, 83, 153, 95), 113),
        ("stain", (2, 0, 33, 15), 286),
        ("crack", (0, 61, 19, 84), 65),
        ("scratch", (99, 24, 120, 42), 71),
    ]
    # Sums, not hashes: another processor may round a few pixels the other way.
    assert int(die.image.sum()) == pytest.approx(1_872_360, abs=20)
    assert int(die.reference.sum()) == pytest.approx(1_964_184, abs=20)


def test_other_seeds_give_other_dies() -> None:
    """The seed decides the layout and the picture."""
    one, other = crowded(1, 1)[0], crowded(2, 1)[0]
    assert not np.array_equal(one.reference, other.reference)
    assert not np.array_equal(one.image, other.image)


def test_a_die_alone_equals_the_die_in_its_wafer() -> None:
    """What was drawn before has no influence."""
    wafer, layout = draw_wafer(4, 1, 2, 3, density=2.0), draw_layout(4, 1, SIZE)
    in_order = [draw_die(wafer, layout, *site) for site in wafer.grid.dies[:12]]
    alone = draw_die(draw_wafer(4, 1, 2, 3, density=2.0), draw_layout(4, 1, SIZE), in_order[9].row, in_order[9].column)
    assert same(alone, in_order[9])


def test_dies_of_one_wafer_differ() -> None:
    """Each die has noise and alignment of its own."""
    wafer = without_defects(draw_wafer(4, 0, 0, 0))
    layout = draw_layout(4, 0, SIZE)
    one, other = (draw_die(wafer, layout, *site) for site in wafer.grid.dies[:2])
    assert not np.array_equal(one.image, other.image)
    assert one.style != other.style
    assert np.array_equal(one.reference, other.reference)


def test_boxes_and_areas_are_those_of_the_masks(dies: list[Die]) -> None:
    """Box and area of each defect are recomputed from the maps."""
    for die in dies:
        boxes = ndimage.find_objects(die.instances.astype(np.int32))
        assert len(boxes) == len(die.defects)
        for number, (defect, (rows, columns)) in enumerate(zip(die.defects, boxes, strict=True), 1):
            mask = die.instances == number
            assert defect.box == (columns.start, rows.start, columns.stop, rows.stop)
            assert defect.area_px == mask.sum() >= SMALLEST_PX
            assert set(die.classes[mask].tolist()) == {int(defect.defect)}


def test_the_class_map_has_nothing_else(dies: list[Die]) -> None:
    """Class and instance maps cover the same pixels."""
    assert all(np.array_equal(die.classes > 0, die.instances > 0) for die in dies)


def test_each_defect_is_one_object(dies: list[Die]) -> None:
    """Counting connected components of the class map counts the defects."""
    for die in dies:
        assert ndimage.label(die.classes > 0, np.ones((3, 3)))[1] == len(die.defects)


def test_every_class_is_drawn(dies: list[Die]) -> None:
    """A crowded wafer shows all five classes."""
    assert {defect.defect for die in dies for defect in die.defects} == set(Defect)


@pytest.mark.parametrize("defect", list(Defect))
def test_a_defect_changes_its_pixels_and_little_else(defect: Defect) -> None:
    """Against the same die without it, the picture changes under the mask and not beyond its surroundings."""
    layout = draw_layout(6, 0, SIZE)
    bare = without_defects(draw_wafer(6, 0, 0, 0))
    row, column = bare.grid.dies[0]
    event = Event(row, column, 0.45, 0.55, defect, Process.RANDOM)
    good, bad = draw_die(bare, layout, row, column), draw_die(only(bare, event), layout, row, column)
    change = np.abs(bad.image.astype(int) - good.image.astype(int))
    mask = bad.classes > 0
    assert change[mask].mean() > 8
    assert change[ndimage.distance_transform_edt(~mask) > 16].max() == 0


def test_a_missing_bond_leaves_its_pad() -> None:
    """Where the ball is missing, the picture shows the pad's plain metal."""
    layout = draw_layout(8, 0, SIZE)
    bare = without_defects(draw_wafer(8, 0, 0, 0))
    row, column = bare.grid.dies[0]
    event = Event(row, column, 0.0, 0.0, Defect.MISSING_BOND, Process.RANDOM)
    die = draw_die(only(bare, event), layout, row, column)
    mask, pad = die.classes == Defect.MISSING_BOND, layout.pads[0]
    y, x = np.argwhere(mask).mean(0)
    assert np.hypot(y - pad.y, x - pad.x) < 1.5
    assert die.image[mask].std() < layout.reference[mask].std() / 2


def test_nuisances_leave_the_class_map_empty() -> None:
    """Without events there is no defect, whatever the style; yet the picture is not the reference."""
    for lot in range(5):
        wafer = without_defects(draw_wafer(9, 0, lot, 0))
        die = draw_die(wafer, draw_layout(9, 0, SIZE), *wafer.grid.dies[0])
        assert not die.classes.any()
        assert not die.instances.any()
        assert die.defects == ()
        assert np.abs(die.image.astype(int) - die.reference).mean() > 1


def test_dust_stays_under_its_limit() -> None:
    """Specks of dust darken at most the limit's number of pixels each, and no defect is as small."""
    wafer = without_defects(draw_wafer(10, 0, 0, 0))
    quiet = replace(wafer.style, noise=0.0, focus=0.1, dust=0.0)
    layout = draw_layout(10, 0, SIZE)
    clean = draw_die(replace(wafer, style=quiet), layout, *wafer.grid.dies[0])
    dusty = draw_die(replace(wafer, style=replace(quiet, dust=8.0)), layout, *wafer.grid.dies[0])
    darker = clean.image.astype(int) - dusty.image > 12
    sizes = np.bincount(ndimage.label(darker)[0].ravel())[1:]
    assert len(sizes) >= 2
    assert np.median(sizes) <= DUST_LIMIT_PX < SMALLEST_PX


@pytest.mark.parametrize("size", [(128, 128), (128, 320), (200, 131), (512, 256), (1024, 1024)])
def test_every_size(size: tuple[int, int]) -> None:
    """Any height and width from 128 to 1024 px, also odd and unequal ones."""
    die = crowded(11, 1, size)[0]
    assert die.image.shape == die.reference.shape == die.classes.shape == die.instances.shape == size
    assert (die.image.dtype, die.classes.dtype, die.instances.dtype) == (np.uint8, np.uint8, np.uint16)
    assert all(0 <= d.box[0] < d.box[2] <= size[1] and 0 <= d.box[1] < d.box[3] <= size[0] for d in die.defects)


def test_a_foreign_layout_is_refused() -> None:
    """The layout must be that of the wafer's product."""
    wafer = draw_wafer(1, 0, 0, 0)
    with pytest.raises(InvalidRequest) as refused:
        draw_die(wafer, draw_layout(1, 1, SIZE), *wafer.grid.dies[0])
    assert refused.value.param == "layout"


def test_a_die_outside_the_wafer_is_refused() -> None:
    """The corner of the grid holds no die."""
    wafer = draw_wafer(1, 0, 0, 0)
    with pytest.raises(InvalidRequest, match="no die at row 0, column 0"):
        draw_die(wafer, draw_layout(1, 0, SIZE), 0, 0)


def test_neighbours_stay_apart(dies: list[Die]) -> None:
    """No pixel of a defect lies within 4 px of another defect."""
    for die in dies:
        for number in range(1, len(die.defects) + 1):
            distance = ndimage.distance_transform_edt(die.instances != number)
            others = (die.instances > 0) & (die.instances != number)
            assert not others.any() or distance[others].min() > 4
