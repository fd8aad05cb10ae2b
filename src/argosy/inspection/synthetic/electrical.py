"""Seeded maps of electrical wafer test: four parameters per die, process drift, and fails in spatial patterns.

A wafer is a grid of 32 x 32 dies of which an ellipse is populated. A good die's parameters vary together with the speed
of its transistors, drift over the wafer (a radial and a linear part per lot), and carry noise of their own. A failing
die is a good one moved in one of three directions (leakage, resistive contact, threshold) by an amount that overlaps
with what good dies do: no limit on a single parameter separates them.

Fails gather in the eight patterns of WM-811K (Wu, Jang and Chen, "Wafer Map Failure Pattern Recognition and Similarity
Ranking for Large-Scale Data Sets", IEEE Transactions on Semiconductor Manufacturing 28, 2015), or in none.

A wafer depends on its seed and its numbers only, never on what was drawn before. Equal seeds give equal wafers, up to
rounding between builds of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest

GENERATOR_VERSION: Final = 1
"""Raised when equal seeds give other wafers."""

GRID: Final = 32
"""Rows and columns of a wafer map, dies."""

PARAMETERS: Final = ("idd", "vth", "leakage", "ron")
"""Order of the parameters in every array of this module."""

UNITS: Final = ("mA", "V", "nA", "mOhm")
"""Units of the parameters' physical values."""

FEATURES: Final = (*PARAMETERS, "mask")
"""Order of the planes that the model takes."""

PATTERNS: Final = (
    "none",
    "center",
    "donut",
    "edge_loc",
    "edge_ring",
    "loc",
    "near_full",
    "random",
    "scratch",
)
"""Names of the patterns, in the order of the model's probabilities."""

_LEAKAGE: Final = PARAMETERS.index("leakage")
# First number of the streams' keys. That of `streams` is its version, a small number.
_STREAM: Final = ord("E")
_PRODUCT, _LOT, _WAFER = range(3)

# How speed moves each parameter: fast dies draw and leak more, at a lower threshold and a lower resistance.
_SPEED: Final = np.array((0.6, -0.6, 0.55, -0.4))
# Where leakage, a resistive contact and a shifted threshold move a die; rows of unit length.
_MODES: Final = np.array(((0.45, -0.2, 0.87, 0.0), (-0.5, 0.0, 0.0, 0.866), (-0.4, 0.8, -0.4, 0.2)))

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ElectricalProduct:
    """What all wafers of one design share.

    Attributes:
        half_height: half axis of the populated ellipse along the rows, dies.
        half_width: half axis along the columns, dies.
        nominal: float64 [4], the mean of a centred process in UNITS; for leakage the logarithm to base 10 of it.
        sigma: float64 [4], standard deviation of good dies in the same units; for leakage in decades.
    """

    half_height: float
    half_width: float
    nominal: Floats
    sigma: Floats


@dataclass(frozen=True, slots=True)
class ElectricalLot:
    """Process drift of one lot, in standard deviations of the product.

    Attributes:
        radial: float64 [4], from the centre of a wafer to its edge.
        down: float64 [4], from the centre to the last row.
        across: float64 [4], from the centre to the last column.
    """

    radial: Floats
    down: Floats
    across: Floats


@dataclass(frozen=True, slots=True)
class WaferMap:
    """One wafer as tested and its truth.

    Attributes:
        values: float64 [4, GRID, GRID], parameters in UNITS; NaN where no die was tested.
        mask: bool [GRID, GRID], dies tested.
        die_fail: bool [GRID, GRID], dies that are truly bad; False where none was tested.
        pattern: one of PATTERNS.
    """

    values: Floats
    mask: Truths
    die_fail: Truths
    pattern: str


def draw_product(seed: int, product: int) -> ElectricalProduct:
    """The design number `product` of a seed.

    Raises:
        InvalidRequest: a number is negative.
    """
    rng = _generator(seed, _PRODUCT, product)
    idd, vth = rng.uniform(40.0, 400.0), rng.uniform(0.35, 0.6)
    leakage, ron = rng.uniform(0.5, 2.0), rng.uniform(5.0, 60.0)
    spread = np.array(
        (
            idd * rng.uniform(0.04, 0.07),
            rng.uniform(0.012, 0.025),
            rng.uniform(0.08, 0.15),
            ron * rng.uniform(0.03, 0.06),
        )
    )
    height, width = rng.uniform(11.5, 16.0, 2)
    return ElectricalProduct(height, width, np.array((idd, vth, leakage, ron)), spread)


def draw_lot(seed: int, product: int, lot: int) -> ElectricalLot:
    """The lot number `lot` of a design.

    Raises:
        InvalidRequest: a number is negative.
    """
    rng = _generator(seed, _LOT, product, lot)
    return ElectricalLot(rng.uniform(-0.9, 0.9, 4), rng.uniform(-0.5, 0.5, 4), rng.uniform(-0.5, 0.5, 4))


def draw_wafer(seed: int, product: int, lot: int, wafer: int, pattern: str | None = None) -> WaferMap:
    """The wafer number `wafer` of a lot.

    Args:
        seed: root of all randomness, like the numbers not negative.
        product: number of the design.
        lot: number of the lot among those of the design.
        wafer: number of the wafer among those of the lot.
        pattern: pattern to draw; None lets the seed choose, none in 60 % of wafers and the others in 5 % each.

    Raises:
        InvalidRequest: a number is negative, or the pattern is none of PATTERNS.
    """
    if pattern is not None and pattern not in PATTERNS:
        raise InvalidRequest(f"'{pattern}' is no wafer pattern. Choose one of {', '.join(PATTERNS)}.", param="pattern")
    design, process = draw_product(seed, product), draw_lot(seed, product, lot)
    rng = _generator(seed, _WAFER, product, lot, wafer)
    chosen = str(rng.choice(PATTERNS, p=(0.6, *(0.05,) * 8)))
    pattern = chosen if pattern is None else pattern

    down, across = wafer_coordinates(design)
    mask = (np.hypot(down, across) <= 1.0) & (rng.random((GRID, GRID)) >= rng.uniform(0.0, 0.02))
    by_pattern = mask & (rng.random((GRID, GRID)) < _fail_probability(rng, pattern, design))
    by_chance = mask & (rng.random((GRID, GRID)) < rng.uniform(0.003, 0.03))
    fails = by_pattern | by_chance

    scores = _good_dies(rng) + _drift(rng, process, down, across)
    # One cause makes a pattern, so its dies fail alike; the others fail each in its own way.
    modes = np.where(by_pattern, rng.integers(3), rng.integers(0, 3, (GRID, GRID)))
    severity = 2.6 + rng.gamma(2.0, 0.7, (GRID, GRID))
    scores += np.where(fails, severity, 0.0) * np.moveaxis(_MODES[modes], -1, 0)

    values = design.nominal[:, None, None] + design.sigma[:, None, None] * scores
    values[_LEAKAGE] = 10.0 ** values[_LEAKAGE]
    values[:, ~mask] = np.nan
    return WaferMap(values, mask, fails, pattern)


def wafer_coordinates(product: ElectricalProduct) -> tuple[Floats, Floats]:
    """Places of the dies on the wafer: float64 [GRID, GRID] down and across, 0 at its centre, 1 at its edge."""
    steps = np.arange(GRID) - (GRID - 1) / 2.0
    down, across = np.meshgrid(steps / product.half_height, steps / product.half_width, indexing="ij")
    return down, across


def standard_scores(values: Floats, mask: Truths, product: ElectricalProduct) -> NDArray[np.float32]:
    """What the model takes: how far each parameter is from the product's nominal, in its standard deviations.

    Args:
        values: float64 [4, GRID, GRID] in UNITS; anything where the mask is False.
        mask: bool [GRID, GRID], dies tested.
        product: gives nominal and standard deviation; those of leakage are of its logarithm to base 10.

    Returns:
        float32 [5, GRID, GRID] in the order of FEATURES: the scores, 0 where no die was tested, then the mask as 0
        or 1.

    Raises:
        InvalidRequest: a tested die's leakage is not above 0, or one of its values is not a finite number.
    """
    tested = values[:, mask]
    if not np.isfinite(tested).all() or (tested[_LEAKAGE] <= 0.0).any():
        raise InvalidRequest(
            "A tested die needs four finite values and a leakage above 0. Leave dies without them out of the mask.",
            param="values",
        )
    linear = tested.copy()
    linear[_LEAKAGE] = np.log10(linear[_LEAKAGE])
    features = np.zeros((len(FEATURES), GRID, GRID), dtype=np.float32)
    features[:-1, mask] = (linear - product.nominal[:, None]) / product.sigma[:, None]
    features[-1] = mask
    return features


def largest_score(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rule without a model: the largest of a die's absolute scores, as limits on single parameters judge.

    Args:
        features: float32 [..., 5, GRID, GRID] in the order of FEATURES.

    Returns:
        float32 [..., GRID, GRID], 0 where no die was tested.
    """
    largest: NDArray[np.float32] = np.abs(features[..., :-1, :, :]).max(axis=-3)
    return largest


def _generator(seed: int, kind: int, *numbers: int) -> np.random.Generator:
    if min(seed, *numbers) < 0:
        raise InvalidRequest("Seed, product, lot and wafer must not be negative.", param="seed")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM, kind, *numbers))))


def _good_dies(rng: np.random.Generator) -> Floats:
    """Scores of good dies without drift: variance 1, correlated by speed, with single readings that went astray."""
    speed = rng.standard_normal((GRID, GRID))
    own = rng.standard_normal((len(PARAMETERS), GRID, GRID))
    scores: Floats = _SPEED[:, None, None] * speed + np.sqrt(1.0 - _SPEED**2)[:, None, None] * own
    astray = rng.random(scores.shape) < 0.001
    scores += astray * rng.choice((-1.0, 1.0), scores.shape) * rng.uniform(2.5, 4.5, scores.shape)
    return scores


def _drift(rng: np.random.Generator, process: ElectricalLot, down: Floats, across: Floats) -> Floats:
    """The lot's drift at each die; a wafer's differs from the lot's by a tenth of a standard deviation."""
    radial, by_row, by_column = (
        (part + rng.normal(0.0, 0.1, len(PARAMETERS)))[:, None, None]
        for part in (process.radial, process.down, process.across)
    )
    drifted: Floats = radial * (down**2 + across**2) + by_row * down + by_column * across
    return drifted


def _fail_probability(rng: np.random.Generator, pattern: str, product: ElectricalProduct) -> Floats:
    """Probability that a die fails by the wafer's pattern, float64 [GRID, GRID]."""
    probability: Floats = rng.uniform(*_STRENGTHS.get(pattern, (0.65, 0.95))) * _REGIONS[pattern](rng, product)
    return probability


def _whole_wafer(_: np.random.Generator, product: ElectricalProduct) -> Truths:
    inside: Truths = _radius(product) <= 1.0
    return inside


def _center(rng: np.random.Generator, product: ElectricalProduct) -> Truths:
    inside: Truths = _radius(product, rng.normal(0.0, 0.04, 2)) <= rng.uniform(0.25, 0.42)
    return inside


def _donut(rng: np.random.Generator, product: ElectricalProduct) -> Truths:
    radius, inner = _radius(product, rng.normal(0.0, 0.03, 2)), rng.uniform(0.25, 0.38)
    inside: Truths = (radius >= inner) & (radius <= inner + rng.uniform(0.22, 0.32))
    return inside


def _edge_loc(rng: np.random.Generator, product: ElectricalProduct) -> Truths:
    angle = np.arctan2(*wafer_coordinates(product))
    away = np.abs((angle - rng.uniform(-np.pi, np.pi) + np.pi) % (2.0 * np.pi) - np.pi)
    inside: Truths = (_radius(product) >= rng.uniform(0.72, 0.82)) & (away <= np.radians(rng.uniform(18.0, 45.0)))
    return inside


def _edge_ring(rng: np.random.Generator, product: ElectricalProduct) -> Truths:
    inside: Truths = _radius(product) >= rng.uniform(0.8, 0.88)
    return inside


def _loc(rng: np.random.Generator, product: ElectricalProduct) -> Truths:
    towards = rng.uniform(-np.pi, np.pi)
    place = rng.uniform(0.42, 0.62) * np.array((np.sin(towards), np.cos(towards)))
    inside: Truths = _radius(product, place) <= rng.uniform(0.17, 0.27)
    return inside


def _scratch(rng: np.random.Generator, product: ElectricalProduct) -> Truths:
    """Dies within 0.75 of a slightly bent line, four tenths to three quarters of the smaller diameter long."""
    steps = np.arange(GRID) - (GRID - 1) / 2.0
    smaller = min(product.half_height, product.half_width)
    heading, towards = rng.uniform(-np.pi, np.pi, 2)
    length, bend, distance = rng.uniform(0.8, 1.5) * smaller, rng.uniform(-0.8, 0.8), rng.uniform(0.0, 0.45) * smaller
    directions = heading + bend * np.linspace(-0.5, 0.5, 4 * GRID)
    path = np.cumsum(np.stack((np.sin(directions), np.cos(directions))), axis=1) * (length / directions.size)
    path += distance * np.array((np.sin(towards), np.cos(towards)))[:, None] - path.mean(axis=1, keepdims=True)
    gaps = np.hypot(steps[:, None, None] - path[0], steps[None, :, None] - path[1]).min(axis=-1)
    close: Truths = gaps <= 0.75
    return close


def _radius(product: ElectricalProduct, centre: Floats | None = None) -> Floats:
    """Distance of the dies from a point, the wafer's centre unless given, in half axes."""
    down, across = wafer_coordinates(product)
    row, column = (0.0, 0.0) if centre is None else centre
    distance: Floats = np.hypot(down - row, across - column)
    return distance


_REGIONS: Final[Mapping[str, Callable[[np.random.Generator, ElectricalProduct], Truths]]] = {
    "none": _whole_wafer,
    "center": _center,
    "donut": _donut,
    "edge_loc": _edge_loc,
    "edge_ring": _edge_ring,
    "loc": _loc,
    "near_full": _whole_wafer,
    "random": _whole_wafer,
    "scratch": _scratch,
}
_STRENGTHS: Final[Mapping[str, tuple[float, float]]] = {
    "none": (0.0, 0.0),
    "near_full": (0.8, 0.97),
    "random": (0.12, 0.4),
}
