"""Seeded thermal frames of a powered die, in degrees Celsius, with their truth.

The die is a thin plate on a heat sink. The rise above ambient obeys the steady fin equation (Incropera and DeWitt,
"Fundamentals of Heat and Mass Transfer", extended surfaces) with insulated edges:

    s * rise - L^2 * laplacian(rise) = p

L is the spreading length in pixels, s the conductance to the sink relative to a sound die attach, and p the rise in
kelvin that the power at a pixel would give without spreading. A hotspot is power added at a point; a void in the die
attach lowers s inside of a blob; an edge gradient lowers s towards one edge; overheating raises p everywhere.

A frame depends on its seed and its numbers only, never on what was drawn before. Equal seeds give equal frames, up to
rounding between builds of NumPy and SciPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter, median_filter, zoom
from scipy.sparse.linalg import LinearOperator, cg

from argosy.core.errors import InvalidRequest

GENERATOR_VERSION: Final = 1
"""Raised when equal seeds give other frames."""

SIZE: Final = 128
"""Height and width of a frame, pixels."""

CLASSES: Final = ("normal", "hotspot", "void", "edge_gradient", "overheat")
"""Names of the classes, in the order of the model's probabilities."""

OVERHEAT_CELSIUS: Final = 85.0
"""Peak temperature that a drawn overheat exceeds before noise, 85 deg C: the limit of commercial parts' cases."""

_MARK_SHARE: Final = 0.5
# First number of the streams' keys. That of `streams` is its version, a small number.
_STREAM: Final = ord("T")
_PRODUCT, _LOT, _FRAME = range(3)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ThermalProduct:
    """What all dies of one design share.

    Attributes:
        power: float64 [SIZE, SIZE], p of the module's equation at nominal load, kelvin.
        blocks: int64 [SIZE, SIZE], number of the power block that a pixel lies in, from 0.
        emissivity: float64 [SIZE, SIZE], what is left of the emissivity after the camera's correction, 0.98 to 1.
        spreading: L, pixels.
    """

    power: Floats
    blocks: NDArray[np.int64]
    emissivity: Floats
    spreading: float


@dataclass(frozen=True, slots=True)
class ThermalLot:
    """What all frames of one lot, taken by one camera, share.

    Attributes:
        ambient: temperature of the sink, deg C.
        load: power relative to nominal.
        sink: mean conductance of the die attach relative to nominal.
        fixed_pattern: float64 [SIZE, SIZE], error of the camera's pixels and columns, kelvin; the same in each frame.
    """

    ambient: float
    load: float
    sink: float
    fixed_pattern: Floats


@dataclass(frozen=True, slots=True)
class ThermalFrame:
    """One frame and its truth.

    Attributes:
        temperature: float32 [SIZE, SIZE], what the camera reports, deg C.
        label: one of CLASSES.
        hotspot_mask: bool [SIZE, SIZE], where the heat that a hotspot or a void adds is at least half of its peak;
            empty for the other classes, whose heat has no place.
        excess: float32 [SIZE, SIZE], rise in kelvin over the same die without the fault, before the camera.
    """

    temperature: NDArray[np.float32]
    label: str
    hotspot_mask: NDArray[np.bool_]
    excess: NDArray[np.float32]


def draw_product(seed: int, product: int) -> ThermalProduct:
    """The design number `product` of a seed.

    Raises:
        InvalidRequest: a number is negative.
    """
    rng = _generator(seed, _PRODUCT, product)
    blocks = _floor_plan(rng)
    count = int(blocks.max()) + 1
    density = rng.lognormal(0.0, 0.7, count)
    spreading = rng.uniform(6.0, 11.0)
    shape = density[blocks]
    peak = rng.uniform(22.0, 40.0)
    power = shape * (peak / steady_rise(shape, np.ones_like(shape), spreading).max())
    return ThermalProduct(power, blocks, rng.uniform(0.98, 1.0, count)[blocks], spreading)


def draw_lot(seed: int, product: int, lot: int) -> ThermalLot:
    """The lot number `lot` of a design.

    Raises:
        InvalidRequest: a number is negative.
    """
    rng = _generator(seed, _LOT, product, lot)
    fixed_pattern = rng.normal(0.0, 0.08, (SIZE, SIZE)) + rng.normal(0.0, 0.05, SIZE)
    # Bad pixels are the hottest points of many a frame, and no hotspots: heat spreads, they do not.
    bad = rng.integers(0, 5)
    fixed_pattern[rng.integers(0, SIZE, bad), rng.integers(0, SIZE, bad)] += rng.choice((-1, 1), bad) * rng.uniform(
        2.0, 6.0, bad
    )
    return ThermalLot(rng.uniform(22.0, 30.0), rng.uniform(0.9, 1.1), rng.uniform(0.93, 1.07), fixed_pattern)


def draw_frame(seed: int, product: int, lot: int, index: int, label: str | None = None) -> ThermalFrame:
    """The frame number `index` of a lot.

    Args:
        seed: root of all randomness, like the numbers not negative.
        product: number of the design.
        lot: number of the lot among those of the design.
        index: number of the frame among those of the lot.
        label: class to draw; None lets the seed choose, normal in 60 % of frames and the others in 10 % each.

    Raises:
        InvalidRequest: a number is negative, or the label is none of CLASSES.
    """
    if label is not None and label not in CLASSES:
        raise InvalidRequest(
            f"'{label}' is no class of thermal frames. Choose one of {', '.join(CLASSES)}.", param="label"
        )
    design, batch = draw_product(seed, product), draw_lot(seed, product, lot)
    rng = _generator(seed, _FRAME, product, lot, index)
    chosen = str(rng.choice(CLASSES, p=(0.6, 0.1, 0.1, 0.1, 0.1)))
    label = chosen if label is None else label

    activity = rng.lognormal(0.0, 0.12, int(design.blocks.max()) + 1)
    power = design.power * activity[design.blocks] * batch.load
    sink = batch.sink * _tilted_attach(rng)
    sound = steady_rise(power, sink, design.spreading)
    faulty, places = _with_fault(rng, label, power=power, sink=sink, sound=sound, product=design, ambient=batch.ambient)
    mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    for place in places:
        mask |= place >= _MARK_SHARE * place.max()
    return ThermalFrame(
        temperature=_seen_by_camera(rng, faulty, design, batch),
        label=label,
        hotspot_mask=mask,
        excess=(faulty - sound).astype(np.float32),
    )


def steady_rise(power: Floats, sink: Floats, spreading: float) -> Floats:
    """Solution of the module's equation on the pixel grid, kelvin.

    The five-point Laplacian with insulated edges is diagonal in the cosine transform (DCT-II), so the die with s = 1
    is solved exactly; that solution preconditions conjugate gradients for the s at hand.

    Args:
        power: p, float64 [H, W], kelvin.
        sink: s, float64 [H, W], above 0.
        spreading: L, pixels.

    Returns:
        float64 [H, W], relative residual below 1e-6.
    """
    height, width = power.shape
    laplacian = _eigenvalues(height)[:, None] + _eigenvalues(width)
    uniform = 1.0 + spreading**2 * laplacian

    def in_cosines(field: Floats, factors: Floats) -> Floats:
        solved: Floats = idctn(dctn(field.reshape(power.shape), norm="ortho") * factors, norm="ortho")
        return solved.ravel()

    cells = power.size
    operator = LinearOperator(
        (cells, cells),
        matvec=lambda x: in_cosines(x, uniform - 1.0) + sink.ravel() * x.ravel(),
        dtype=np.float64,
    )
    inverse = LinearOperator((cells, cells), matvec=lambda x: in_cosines(x, 1.0 / uniform), dtype=np.float64)
    solution, _ = cg(operator, power.ravel(), x0=in_cosines(power.ravel(), 1.0 / uniform), rtol=1e-6, M=inverse)
    result: Floats = solution.reshape(power.shape)
    return result


def median_excess(temperature: NDArray[np.float32], window: int = 41) -> NDArray[np.float32]:
    """The rule without a model: temperature minus the median of its surroundings, kelvin.

    The median is taken on every second pixel, which changes it by less than the noise and costs a sixteenth.

    Args:
        temperature: float32 [H, W], deg C; both even.
        window: side of the square of surroundings, pixels.

    Returns:
        float32 [H, W]. A threshold on it marks hotspots; its maximum scores a frame.
    """
    smooth = gaussian_filter(temperature.astype(np.float64), 1.0, mode="nearest")
    surroundings = median_filter(smooth[::2, ::2], size=window // 2 | 1, mode="reflect")
    return (smooth - zoom(surroundings, 2, order=1, mode="nearest", grid_mode=True)).astype(np.float32)


def _generator(seed: int, kind: int, *numbers: int) -> np.random.Generator:
    if min(seed, *numbers) < 0:
        raise InvalidRequest("Seed, product, lot and index must not be negative.", param="seed")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM, kind, *numbers))))


def _eigenvalues(count: int) -> Floats:
    """Of the negative second difference with insulated ends, in the order of DCT-II."""
    values: Floats = 2.0 - 2.0 * np.cos(np.pi * np.arange(count) / count)
    return values


def _floor_plan(rng: np.random.Generator) -> NDArray[np.int64]:
    """Blocks made by cutting the die, and then always the largest block, in two."""
    rectangles = [(0, 0, SIZE, SIZE)]
    for _ in range(rng.integers(5, 12)):
        rectangles.sort(key=lambda r: (r[2] - r[0]) * (r[3] - r[1]))
        top, left, bottom, right = rectangles.pop()
        share = rng.uniform(0.3, 0.7)
        if bottom - top >= right - left:
            cut = top + round(share * (bottom - top))
            rectangles += [(top, left, cut, right), (cut, left, bottom, right)]
        else:
            cut = left + round(share * (right - left))
            rectangles += [(top, left, bottom, cut), (top, cut, bottom, right)]
    blocks = np.zeros((SIZE, SIZE), dtype=np.int64)
    for number, (top, left, bottom, right) in enumerate(rectangles):
        blocks[top:bottom, left:right] = number
    return blocks


def _tilted_attach(rng: np.random.Generator) -> Floats:
    """Conductance of a sound die attach: never quite even, so that a slight gradient is no fault."""
    towards, depth = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 0.06)
    down, across = np.mgrid[-1.0 : 1.0 : SIZE * 1j, -1.0 : 1.0 : SIZE * 1j]
    tilted: Floats = 1.0 + depth * (np.sin(towards) * down + np.cos(towards) * across)
    return tilted


def _with_fault(
    rng: np.random.Generator,
    label: str,
    *,
    power: Floats,
    sink: Floats,
    sound: Floats,
    product: ThermalProduct,
    ambient: float,
) -> tuple[Floats, list[Floats]]:
    """The rise with the fault in it, and the part of the rise that each local fault adds."""
    if label == "hotspot":
        places = [_hotspot(rng, sink, product.spreading) for _ in range(rng.integers(1, 3))]
        return sound + sum(places, np.zeros_like(sound)), places
    if label == "void":
        faulty = steady_rise(power, sink * _void(rng, sound), product.spreading)
        return faulty, [faulty - sound]
    if label == "edge_gradient":
        return steady_rise(power, sink * _edge_gradient(rng), product.spreading), []
    if label == "overheat":
        peak = rng.uniform(OVERHEAT_CELSIUS + 1.0, 120.0)
        return sound * ((peak - ambient) / sound.max()), []
    return sound, []


def _hotspot(rng: np.random.Generator, sink: Floats, spreading: float) -> Floats:
    """Rise by a leak of a few pixels; the equation is linear in power, so it is scaled to the peak wanted."""
    row, column = rng.uniform(6.0, SIZE - 6.0, 2)
    width = rng.uniform(1.0, 2.5)
    down, across = np.ogrid[:SIZE, :SIZE]
    leak = np.exp(-((down - row) ** 2 + (across - column) ** 2) / (2.0 * width**2))
    rise = steady_rise(leak, sink, spreading)
    scaled: Floats = rise * (np.exp(rng.uniform(np.log(2.0), np.log(15.0))) / rise.max())
    return scaled


def _void(rng: np.random.Generator, sound: Floats) -> Floats:
    """Conductance left over a void: a blob with a wavy outline, where the die is warm enough to show it."""
    warm = np.argwhere(sound >= 0.45 * sound.max())
    row, column = warm[rng.integers(len(warm))]
    radius, depth = rng.uniform(8.0, 18.0), rng.uniform(0.5, 0.85)
    down, across = np.ogrid[:SIZE, :SIZE]
    angle = np.arctan2(down - row, across - column)
    outline = np.full((SIZE, SIZE), radius)
    for wave in range(2, 5):
        outline += radius * rng.uniform(0.0, 0.3 / wave) * np.cos(wave * angle + rng.uniform(0.0, 2.0 * np.pi))
    inside = 1.0 / (1.0 + np.exp(np.hypot(down - row, across - column) - outline))
    left: Floats = 1.0 - depth * inside
    return left


def _edge_gradient(rng: np.random.Generator) -> Floats:
    """Conductance that falls in a straight line from somewhere inside of the die to one of its edges."""
    reach, depth = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.7)
    ramp = np.clip(1.0 - np.arange(SIZE) / (reach * SIZE), 0.0, 1.0)
    from_top = np.repeat((1.0 - depth * ramp)[:, None], SIZE, axis=1)
    turned: Floats = np.rot90(from_top, rng.integers(4)).copy()
    return turned


def _seen_by_camera(
    rng: np.random.Generator, rise: Floats, product: ThermalProduct, lot: ThermalLot
) -> NDArray[np.float32]:
    """Deg C as reported: emissivity, optics, noise of pixels and rows, and the camera's fixed pattern."""
    blurred = gaussian_filter(rise * product.emissivity, rng.uniform(0.4, 0.9), mode="nearest")
    pixels = rng.normal(0.0, rng.uniform(0.05, 0.15), (SIZE, SIZE))
    rows = rng.normal(0.0, rng.uniform(0.03, 0.15), (SIZE, 1))
    seen: NDArray[np.float32] = (lot.ambient + blurred + pixels + rows + lot.fixed_pattern).astype(np.float32)
    return seen
