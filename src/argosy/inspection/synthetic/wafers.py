"""Wafers: the grid of dies, and the spatial processes that place defects upon it.

Coordinates are millimetres from the wafer's centre, x to the right and y downwards as in the pictures. Processes are
the usual ones of spatial statistics and yield analysis: a homogeneous Poisson process for random defects, a
Neyman-Scott process for clusters (parents, and children normally distributed around them), and the signatures of tools:
a ring, the edge, a scratch across dies, and a repeater, which a flaw of the reticle puts at one place of every field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.defects import Defect
from argosy.inspection.synthetic.lots import Style, draw_style
from argosy.inspection.synthetic.products import draw_materials
from argosy.inspection.synthetic.streams import Purpose, stream

RADIUS_MM: Final = 150.0
EDGE_EXCLUSION_MM: Final = 3.0
USABLE_MM: Final = RADIUS_MM - EDGE_EXCLUSION_MM
"""Radius within which a whole die must lie."""

RETICLE: Final = (2, 2)
"""Rows and columns of dies in one field of the reticle."""


class Process(StrEnum):
    """Where defects come from."""

    RANDOM = "random"
    CLUSTER = "cluster"
    RING = "ring"
    EDGE = "edge"
    SCRATCH_LINE = "scratch_line"
    REPEATER = "repeater"


SIGNATURES: Final = tuple(process for process in Process if process is not Process.RANDOM)

_CLASSES: Final = {
    Process.CLUSTER: (Defect.PARTICLE, Defect.STAIN),
    Process.RING: (Defect.STAIN, Defect.PARTICLE),
    Process.EDGE: (Defect.CRACK, Defect.PARTICLE),
    Process.REPEATER: (Defect.PARTICLE, Defect.MISSING_BOND),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One defect to be drawn.

    Attributes:
        row: row of the die in the grid.
        column: column of the die in the grid.
        u: place in the die, as a share of its width from the left, 0 to 1.
        v: place in the die, as a share of its height from the top, 0 to 1.
        defect: the class.
        process: what put it there.
        angle: direction of a scratch, radians; None for any.
    """

    row: int
    column: int
    u: float
    v: float
    defect: Defect
    process: Process
    angle: float | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """The dies of a wafer.

    Attributes:
        die_width_mm: horizontal pitch, mm.
        die_height_mm: vertical pitch, mm.
        rows: rows of the rectangular grid around the wafer.
        columns: columns of it.
        dies: (row, column) of the dies that lie wholly within the usable radius, by row and column.
    """

    die_width_mm: float
    die_height_mm: float
    rows: int
    columns: int
    dies: tuple[tuple[int, int], ...]

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Top left corner (x, y) of a die, mm."""
        return (column - self.columns / 2) * self.die_width_mm, (row - self.rows / 2) * self.die_height_mm

    def place(self, event: Event) -> tuple[float, float]:
        """Where (x, y) on the wafer an event lies, mm."""
        x, y = self.corner(event.row, event.column)
        return x + event.u * self.die_width_mm, y + event.v * self.die_height_mm

    def site(self, x: float, y: float) -> tuple[int, int, float, float]:
        """Row and column of the grid's cell at a place on the wafer, and the place within it, as shares."""
        across, down = x / self.die_width_mm + self.columns / 2, y / self.die_height_mm + self.rows / 2
        row, column = math.floor(down), math.floor(across)
        return row, column, across - column, down - row


@dataclass(frozen=True, slots=True)
class Wafer:
    """One wafer before its pictures are drawn.

    Attributes:
        seed: the data set's seed.
        product: number of the product.
        lot: number of the lot within its product.
        wafer: number of the wafer within its lot.
        style: the lot's style of exposure.
        grid: the dies.
        signatures: the processes at work besides the random one.
        events: every defect to be drawn.
    """

    seed: int
    product: int
    lot: int
    wafer: int
    style: Style
    grid: Grid
    signatures: tuple[Process, ...]
    events: tuple[Event, ...]

    def events_on(self, row: int, column: int) -> tuple[Event, ...]:
        """The defects of one die."""
        return tuple(event for event in self.events if (event.row, event.column) == (row, column))


def draw_wafer(
    seed: int,
    product: int,
    lot: int,
    wafer: int,
    *,
    density: float = 0.05,
    signatures: tuple[Process, ...] | None = None,
) -> Wafer:
    """One wafer: its grid and where its defects are.

    Args:
        seed: the data set's seed.
        product: number of the product.
        lot: number of the lot within its product.
        wafer: number of the wafer within its lot.
        density: expected random defects per die.
        signatures: further processes at work; None lets the seed choose one of them or, half of the time, none.

    Raises:
        InvalidRequest: a number is negative, or the density is not finite.
    """
    if not (math.isfinite(density) and density >= 0):
        raise InvalidRequest(f"The density {density} is not possible. Use a number of 0 or greater.", param="density")
    rng = stream(seed, Purpose.WAFER, product, lot, wafer)
    materials = draw_materials(seed, product)
    grid = die_grid(materials.die_width_mm, materials.die_height_mm)
    chosen = SIGNATURES[int(rng.integers(len(SIGNATURES)))]
    at_work = bool(rng.random() < 0.5)
    if signatures is None:
        signatures = (chosen,) if at_work else ()
    events = _random_events(grid, density, rng)
    for process in sorted(signatures):
        events += _PROCESSES[process](grid, rng)
    return Wafer(seed, product, lot, wafer, draw_style(seed, product, lot), grid, signatures, tuple(events))


def die_grid(die_width_mm: float, die_height_mm: float) -> Grid:
    """The dies that fit on a wafer of 300 mm with 3 mm of edge exclusion; the grid is centred."""
    columns, rows = int(2 * USABLE_MM / die_width_mm), int(2 * USABLE_MM / die_height_mm)
    dies = []
    for row in range(rows):
        for column in range(columns):
            # The corner farthest from the centre decides.
            x = (abs(column + 0.5 - columns / 2) + 0.5) * die_width_mm
            y = (abs(row + 0.5 - rows / 2) + 0.5) * die_height_mm
            if math.hypot(x, y) <= USABLE_MM:
                dies.append((row, column))
    return Grid(die_width_mm, die_height_mm, rows, columns, tuple(dies))


def _random_events(grid: Grid, density: float, rng: np.random.Generator) -> list[Event]:
    """A homogeneous Poisson process over the dies, every class as likely."""
    count = int(rng.poisson(density * len(grid.dies)))
    sites = [grid.dies[index] for index in rng.integers(len(grid.dies), size=count).tolist()]
    places = rng.random((count, 2)).tolist()
    classes = [Defect(kind) for kind in rng.integers(1, len(Defect) + 1, size=count).tolist()]
    return [
        Event(row, column, u, v, defect, Process.RANDOM)
        for (row, column), (u, v), defect in zip(sites, places, classes, strict=True)
    ]


def _cluster_events(grid: Grid, rng: np.random.Generator) -> list[Event]:
    """Neyman-Scott: parents evenly over the wafer, children normally distributed around each with sigma 5 mm."""
    parents = 1 + int(rng.poisson(1.5))
    radius = USABLE_MM * np.sqrt(rng.random(parents))
    angle = rng.uniform(0, 2 * np.pi, parents)
    events: list[Event] = []
    for r, phi in zip(radius, angle, strict=True):
        children = rng.normal((r * np.cos(phi), r * np.sin(phi)), 5.0, (int(rng.poisson(14)), 2))
        events += _at(grid, children, Process.CLUSTER, rng)
    return events


def _ring_events(grid: Grid, rng: np.random.Generator) -> list[Event]:
    """A ring around the centre: one radius, normally scattered by 4 mm."""
    count = int(rng.poisson(60))
    radius = rng.normal(rng.uniform(0.35, 0.75) * USABLE_MM, 4.0, count)
    return _at(grid, _polar(radius, rng.uniform(0, 2 * np.pi, count)), Process.RING, rng)


def _edge_events(grid: Grid, rng: np.random.Generator) -> list[Event]:
    """The outermost eighth of the usable radius."""
    count = int(rng.poisson(50))
    radius = rng.uniform(0.875, 1.0, count) * USABLE_MM
    return _at(grid, _polar(radius, rng.uniform(0, 2 * np.pi, count)), Process.EDGE, rng)


def _scratch_line_events(grid: Grid, rng: np.random.Generator) -> list[Event]:
    """A straight line through a place near the centre: one scratch on each die that it crosses for some length."""
    middle = rng.uniform(-0.4, 0.4, 2) * USABLE_MM
    angle, length = float(rng.uniform(0, np.pi)), float(rng.uniform(0.5, 1.2)) * USABLE_MM
    step = 0.25 * min(grid.die_width_mm, grid.die_height_mm)
    along = np.arange(-length / 2, length / 2, step)
    points = middle + along[:, None] * np.array((np.cos(angle), np.sin(angle)))
    crossed: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for x, y in points.tolist():
        row, column, u, v = grid.site(x, y)
        crossed.setdefault((row, column), []).append((u, v))
    # Pictures are as wide and high as the die, in pixels; its angle follows from the shape of the die.
    slant = math.atan2(math.sin(angle) / grid.die_height_mm, math.cos(angle) / grid.die_width_mm)
    present = set(grid.dies)
    return [
        Event(row, column, *places[len(places) // 2], Defect.SCRATCH, Process.SCRATCH_LINE, slant)
        for (row, column), places in crossed.items()
        if (row, column) in present and len(places) > 1
    ]


def _repeater_events(grid: Grid, rng: np.random.Generator) -> list[Event]:
    """A flaw of the reticle: one place and one class on the same die of every field."""
    kinds = _CLASSES[Process.REPEATER]
    kind = kinds[int(rng.integers(len(kinds)))]
    u, v = rng.uniform(0.1, 0.9, 2).tolist()
    of_row, of_column = int(rng.integers(RETICLE[0])), int(rng.integers(RETICLE[1]))
    return [
        Event(row, column, u, v, kind, Process.REPEATER)
        for row, column in grid.dies
        if row % RETICLE[0] == of_row and column % RETICLE[1] == of_column
    ]


def _polar(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)


def _at(grid: Grid, points: NDArray[np.float64], process: Process, rng: np.random.Generator) -> list[Event]:
    """Events at places (x, y) in mm; those that no whole die covers are lost, as they are on a real map."""
    present = set(grid.dies)
    kinds = _CLASSES[process]
    # The first class of a process is the common one.
    picks = (rng.random(len(points)) < 0.3).astype(int).tolist()
    events = []
    for (x, y), pick in zip(points.tolist(), picks, strict=True):
        row, column, u, v = grid.site(x, y)
        if (row, column) in present:
            events.append(Event(row, column, u, v, kinds[pick], process))
    return events


_PROCESSES: Final = {
    Process.CLUSTER: _cluster_events,
    Process.RING: _ring_events,
    Process.EDGE: _edge_events,
    Process.SCRATCH_LINE: _scratch_line_events,
    Process.REPEATER: _repeater_events,
}
