"""Dies: a picture with its golden reference and its whole truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.defects import SMALLEST_PX, Defect, Shape, ball_shape, drawn_shape, painted
from argosy.inspection.synthetic.lots import Style
from argosy.inspection.synthetic.nuisances import displaced, dusted, exposed, jittered
from argosy.inspection.synthetic.products import Layout, Picture
from argosy.inspection.synthetic.streams import Purpose, stream
from argosy.inspection.synthetic.wafers import Event, Process, Wafer

_APART_PX = 4
_TRIES = 12
_TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True)
class TrueDefect:
    """One defect as it was drawn.

    Attributes:
        defect: the class.
        box: x0, y0, x1, y1 in px; x1 and y1 are exclusive.
        area_px: pixels of the class map that belong to it.
        process: what put it on the wafer.
    """

    defect: Defect
    box: tuple[int, int, int, int]
    area_px: int
    process: Process


@dataclass(frozen=True, slots=True)
class Die:
    """One die.

    Attributes:
        row: row in the wafer's grid.
        column: column in the wafer's grid.
        image: the picture, UINT8 [H, W].
        reference: the golden reference, UINT8 [H, W].
        classes: class of every pixel, UINT8 [H, W]; 0 is background, else a value of `Defect`.
        instances: defect of every pixel, UINT16 [H, W]; 0 is none, n is `defects[n - 1]`.
        defects: every defect.
        style: how the picture was taken.
    """

    row: int
    column: int
    image: Picture
    reference: Picture
    classes: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    defects: tuple[TrueDefect, ...]
    style: Style


def draw_die(wafer: Wafer, layout: Layout, row: int, column: int) -> Die:
    """One die of a wafer. It depends on its address alone, not on what was drawn before.

    Two defects stay 4 px apart. One that would touch another, or of which too little would be seen, is moved a little;
    where there is no room for it, it is left out.

    Args:
        wafer: the wafer.
        layout: the layout of the wafer's product, at the size wanted.
        row: row in the wafer's grid.
        column: column in the wafer's grid.

    Raises:
        InvalidRequest: the layout is another product's, or the wafer has no such die.
    """
    if (layout.seed, layout.product) != (wafer.seed, wafer.product):
        raise InvalidRequest(
            "The layout is not of the wafer's product. Draw it with its seed and product.", param="layout"
        )
    if (row, column) not in wafer.grid.dies:
        raise InvalidRequest(f"The wafer has no die at row {row}, column {column}. See grid.dies.", param="row")
    address = (wafer.product, wafer.lot, wafer.wafer, row, column)
    rng = stream(wafer.seed, Purpose.DIE, *address)
    style = jittered(wafer.style, rng)
    truth = _Truth(layout.size)
    # Missing bonds come first: their places are given. A repeater's place is given, too.
    events = sorted(
        enumerate(wafer.events_on(row, column)),
        key=lambda item: (item[1].defect is not Defect.MISSING_BOND, item[1].process is not Process.REPEATER, item[0]),
    )
    bonds = [event for _, event in events if event.defect is Defect.MISSING_BOND]
    missing = _missing_balls(bonds, layout, style, truth)
    canvas = displaced(layout.canvas(missing), style, rng)
    for index, event in events:
        if event.defect is not Defect.MISSING_BOND:
            own = stream(wafer.seed, Purpose.DEFECT, *address, index)
            shape = _placed(event, layout.size, truth, own)
            if shape is not None:
                painted(canvas, event.defect, shape, own)
    image = exposed(dusted(canvas, style, rng), style, rng)
    return Die(row, column, image, layout.reference, truth.classes, truth.instances, tuple(truth.defects), style)


def without_defects(wafer: Wafer) -> Wafer:
    """The same wafer as it would be if nothing had gone wrong; its nuisances stay."""
    return replace(wafer, events=())


class _Truth:
    """The class map and the list of defects while a die is drawn."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.classes = np.zeros(size, np.uint8)
        self.instances = np.zeros(size, np.uint16)
        self.defects: list[TrueDefect] = []
        self._taken = np.zeros(size, bool)

    def has_room(self, shape: Shape) -> bool:
        """Whether enough of it is seen, and it touches no other defect."""
        mask = shape.mask
        return int(mask.sum()) >= SMALLEST_PX and not bool(self._taken[shape.window][mask].any())

    def add(self, event: Event, shape: Shape) -> None:
        """Enter a defect whose shape lies within the die."""
        mask = shape.mask
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (
            shape.left + int(columns[0]),
            shape.top + int(rows[0]),
            shape.left + int(columns[-1]) + 1,
            shape.top + int(rows[-1]) + 1,
        )
        self.defects.append(TrueDefect(event.defect, box, int(mask.sum()), event.process))
        self.classes[shape.window][mask] = event.defect
        self.instances[shape.window][mask] = len(self.defects)
        x0, y0, x1, y1 = box
        around = np.s_[max(y0 - _APART_PX, 0) : y1 + _APART_PX, max(x0 - _APART_PX, 0) : x1 + _APART_PX]
        grown = ndimage.binary_dilation(self.instances[around] == len(self.defects), _TOUCHING, _APART_PX)
        self._taken[around] |= grown


def _missing_balls(bonds: list[Event], layout: Layout, style: Style, truth: _Truth) -> frozenset[int]:
    """Indices of the pads nearest to the events that are free; their discs are entered as defects."""
    height, width = layout.size
    places = np.array([(pad.x, pad.y) for pad in layout.pads], np.float64)
    missing: set[int] = set()
    for event in bonds:
        distance = np.hypot(*(places - (event.u * width, event.v * height)).T)
        distance[list(missing)] = np.inf
        index = int(np.argmin(distance))
        pad = layout.pads[index]
        shape = ball_shape(pad.x + style.shift_x, pad.y + style.shift_y, pad.ball).within(layout.size)
        if truth.has_room(shape):
            missing.add(index)
            truth.add(event, shape)
    return frozenset(missing)


def _placed(event: Event, size: tuple[int, int], truth: _Truth, rng: np.random.Generator) -> Shape | None:
    """The event's shape where there is room for it; entered as a defect."""
    height, width = size
    for attempt in range(_TRIES):
        astray = rng.normal(0, 0.08 * attempt, 2)
        u, v = np.clip((event.u + astray[0], event.v + astray[1]), 0.03, 0.97).tolist()
        whole = drawn_shape(event.defect, u * (width - 1), v * (height - 1), event.angle, rng)
        shape = _in_one_piece(whole.within(size))
        if truth.has_room(shape):
            truth.add(event, shape)
            return shape
    return None


def _in_one_piece(shape: Shape) -> Shape:
    """The largest connected part of a shape: the die's edge may cut a bent line in two."""
    labels, count = ndimage.label(shape.mask, _TOUCHING)
    if count < 2:
        return shape
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    near = ndimage.binary_dilation(labels == largest, _TOUCHING)
    return Shape(np.where(near, shape.coverage, 0).astype(np.float32), shape.top, shape.left)
