"""Products: the layout of a die. Metal tracks with vias, bond pads with ball bonds, and a text mark.

Everything is laid out in pixels, so a larger die has more of the same structures, not larger ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.nuisances import CLEAN, exposed
from argosy.inspection.synthetic.streams import Purpose, stream

Canvas = NDArray[np.float32]
"""Grey levels FP32 [H, W] before exposure, about 0 to 255, not clipped."""

Picture = NDArray[np.uint8]
"""A grey image UINT8 [H, W]."""

SMALLEST: Final = 128
LARGEST: Final = 1024

_GLYPHS: Final = (
    (14, 17, 19, 21, 25, 17, 14),
    (4, 12, 4, 4, 4, 4, 14),
    (14, 17, 1, 2, 4, 8, 31),
    (31, 2, 4, 2, 1, 17, 14),
    (2, 6, 10, 18, 31, 2, 2),
    (31, 16, 30, 1, 1, 17, 14),
    (6, 8, 16, 30, 17, 17, 14),
    (31, 1, 2, 4, 8, 8, 8),
    (14, 17, 17, 14, 17, 17, 14),
    (14, 17, 17, 15, 1, 2, 12),
)
"""Digits 0 to 9 in a cell of 5 x 7; each number is one row, its highest of five bits at the left."""


@dataclass(frozen=True, slots=True)
class Materials:
    """Grey levels of an ideal exposure and the pitches of one product; the same at every size of die.

    Attributes:
        substrate: level between the structures.
        metal: level of the tracks.
        via: level of the contact's core; its rim is dark.
        pad: level of the bond pads.
        ball: level of the ball bonds' highlight.
        pad_half: half the side of a pad, px.
        pad_pitch: distance of neighbouring pads, px.
        track_pitch: distance of neighbouring tracks, px.
        track_width: width of a track, px.
        block: side of a block of parallel tracks, px.
        die_width_mm: horizontal pitch of the dies on the wafer, mm.
        die_height_mm: vertical pitch of the dies on the wafer, mm.
        mark: digits of the text mark.
    """

    substrate: float
    metal: float
    via: float
    pad: float
    ball: float
    pad_half: int
    pad_pitch: int
    track_pitch: int
    track_width: int
    block: int
    die_width_mm: float
    die_height_mm: float
    mark: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pad:
    """One bond pad.

    Attributes:
        x: centre, px from the left edge; the centre of the first pixel is 0.
        y: centre, px from the top edge.
        ball: radius of the ball bond upon it, px.
    """

    x: int
    y: int
    ball: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The drawn layout of one product at one size.

    Attributes:
        seed: the data set's seed.
        product: number of the product.
        bare: the ideal die without its ball bonds, FP32 [H, W].
        pads: every bond pad.
        materials: levels and pitches.
        reference: the golden reference UINT8 [H, W]: an ideal die in a clean exposure of its own.
    """

    seed: int
    product: int
    bare: Canvas
    pads: tuple[Pad, ...]
    materials: Materials
    reference: Picture

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.bare.shape[0], self.bare.shape[1]

    def canvas(self, missing: frozenset[int] = frozenset()) -> Canvas:
        """The ideal die FP32 [H, W], without the ball bonds of the pads whose indices are in `missing`."""
        return _bonded(self.bare, self.pads, self.materials, missing)


def draw_materials(seed: int, product: int) -> Materials:
    """Levels and pitches of one product.

    Raises:
        InvalidRequest: the seed or the product is negative.
    """
    rng = stream(seed, Purpose.PRODUCT, product)
    track_width = int(rng.integers(2, 5))
    return Materials(
        substrate=float(rng.uniform(62, 95)),
        metal=float(rng.uniform(125, 160)),
        via=float(rng.uniform(185, 215)),
        pad=float(rng.uniform(170, 200)),
        ball=float(rng.uniform(215, 240)),
        pad_half=int(rng.integers(6, 9)),
        pad_pitch=int(rng.integers(22, 33)),
        track_pitch=track_width + int(rng.integers(4, 8)),
        track_width=track_width,
        block=int(rng.integers(34, 57)),
        die_width_mm=float(rng.uniform(7.0, 12.0)),
        die_height_mm=float(rng.uniform(7.0, 12.0)),
        mark=tuple(int(digit) for digit in rng.integers(0, 10, 4)),
    )


def draw_layout(seed: int, product: int, size: tuple[int, int]) -> Layout:
    """The layout of one product.

    Args:
        seed: the data set's seed.
        product: number of the product, 0 or greater.
        size: height and width of the die, px; each from 128 to 1024.

    Raises:
        InvalidRequest: the size is outside these limits, or a number is negative.
    """
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise InvalidRequest(
            f"The die size {size[0]} x {size[1]} is not possible. Use sides of {SMALLEST} to {LARGEST} px.",
            param="size",
        )
    materials = draw_materials(seed, product)
    rng = stream(seed, Purpose.PRODUCT, product, *size)
    levels = np.full(size, materials.substrate, np.float32)
    pads = _placed_pads(materials, size)
    _draw_tracks(levels, materials, rng)
    _draw_pads(levels, pads, materials)
    _draw_mark(levels, materials, rng)
    # Edges of a drawn structure fall between pixels on a real sensor; this is the sensor's own aperture.
    bare = ndimage.gaussian_filter(levels, 0.5)
    ideal = _bonded(bare, pads, materials, frozenset())
    reference = exposed(ideal, CLEAN, stream(seed, Purpose.REFERENCE, product, *size))
    return Layout(seed, product, bare, pads, materials, reference)


def _placed_pads(materials: Materials, size: tuple[int, int]) -> tuple[Pad, ...]:
    """Pads in a ring along the edge, spread evenly over each side."""
    height, width = size
    inset = materials.pad_half + 4
    ball = materials.pad_half - 2
    columns = _spread(inset, width - 1 - inset, materials.pad_pitch)
    rows = _spread(inset, height - 1 - inset, materials.pad_pitch)
    ring = [(x, y) for y in (rows[0], rows[-1]) for x in columns]
    ring += [(x, y) for x in (columns[0], columns[-1]) for y in rows[1:-1]]
    return tuple(Pad(x, y, ball) for x, y in ring)


def _spread(first: int, last: int, pitch: int) -> list[int]:
    count = max((last - first) // pitch, 1) + 1
    return [round(first + (last - first) * index / (count - 1)) for index in range(count)]


def _draw_tracks(levels: Canvas, materials: Materials, rng: np.random.Generator) -> None:
    """Blocks of parallel tracks, each block along x or y, with vias at some of the tracks' ends."""
    height, width = levels.shape
    border = 2 * (materials.pad_half + 4) + 2
    vias: list[tuple[int, int]] = []
    for top in range(border, height - border - 8, materials.block):
        for left in range(border, width - border - 8, materials.block):
            bottom = min(top + materials.block - 4, height - border)
            right = min(left + materials.block - 4, width - border)
            block = levels[top:bottom, left:right]
            upright = bool(rng.random() < 0.5)
            for row, start, stop in _tracks_of(block.T if upright else block, materials, rng):
                ends = [end for end in (start + 2, stop - 3) if rng.random() < 0.4]
                middle = row + materials.track_width // 2
                vias += [(top + end, left + middle) if upright else (top + middle, left + end) for end in ends]
    for y, x in vias:
        levels[y - 2 : y + 3, x - 2 : x + 3] = materials.substrate * 0.6
        levels[y - 1 : y + 2, x - 1 : x + 2] = materials.via


def _tracks_of(block: Canvas, materials: Materials, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Draw the tracks of one block along its rows; return first row, start and stop of each."""
    rows, length = block.shape
    drawn: list[tuple[int, int, int]] = []
    for row in range(1, rows - materials.track_width, materials.track_pitch):
        start, stop = int(rng.integers(0, max(length // 3, 1))), length - int(rng.integers(0, max(length // 3, 1)))
        if stop - start < 6 or rng.random() < 0.12:
            continue
        block[row : row + materials.track_width, start:stop] = materials.metal
        drawn.append((row, start, stop))
    return drawn


def _draw_pads(levels: Canvas, pads: tuple[Pad, ...], materials: Materials) -> None:
    """Square pads with a darker rim."""
    half = materials.pad_half
    for pad in pads:
        levels[pad.y - half : pad.y + half + 1, pad.x - half : pad.x + half + 1] = materials.metal
        levels[pad.y - half + 1 : pad.y + half, pad.x - half + 1 : pad.x + half] = materials.pad


def _draw_mark(levels: Canvas, materials: Materials, rng: np.random.Generator) -> None:
    """The text mark in a cleared field somewhere inside the ring of pads."""
    scale = 2
    bits = np.array([[[row >> (4 - column) & 1 for column in range(5)] for row in _GLYPHS[d]] for d in materials.mark])
    cells = np.pad(bits, ((0, 0), (1, 1), (0, 1)))
    text = np.kron(np.concatenate(list(cells), axis=1), np.ones((scale, scale), int)).astype(bool)
    height, width = text.shape
    border = 2 * (materials.pad_half + 4) + 2
    top = int(rng.integers(border, levels.shape[0] - border - height))
    left = int(rng.integers(border, levels.shape[1] - border - width))
    levels[top : top + height, left : left + width] = np.where(text, materials.pad, materials.substrate)


def _bonded(bare: Canvas, pads: tuple[Pad, ...], materials: Materials, missing: frozenset[int]) -> Canvas:
    """Set a ball upon every pad that is not missing: a dark skirt, a body, and a highlight at the top left."""
    canvas = bare.copy()
    for index, pad in enumerate(pads):
        if index in missing:
            continue
        reach = pad.ball + 1
        window = canvas[pad.y - reach : pad.y + reach + 1, pad.x - reach : pad.x + reach + 1]
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
        distance = np.hypot(x, y)
        slope = np.clip(1.0 - distance / pad.ball, 0.0, 1.0)
        highlight = np.exp(-((x + 0.25 * pad.ball) ** 2 + (y + 0.25 * pad.ball) ** 2) / (0.18 * pad.ball**2))
        body = 45.0 + 70.0 * slope + (materials.ball - 115.0) * highlight
        coverage = np.clip(pad.ball + 0.5 - distance, 0.0, 1.0)
        window += (coverage * (body - window)).astype(np.float32)
    return canvas
