"""Drawings as SVG text. Colours come from the page's classes, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 14, 44
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Mark:
    """One measured point.

    Attributes:
        kind: class of the mark: `point`, `missed`, `front`, `current` or `best`.
        label: shown when the pointer rests on it.
    """

    x: float
    y: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values to places; logarithmic from left to right, linear from bottom to top."""

    left: float
    right: float
    top: float

    def x(self, value: float) -> float:
        share = math.log(max(value, self.left) / self.left) / math.log(self.right / self.left)
        return _LEFT + min(1.0, share) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - min(1.0, value / self.top) * (HEIGHT - _TOP - _BOTTOM)


def scatter(
    marks: Sequence[Mark],
    front: Sequence[tuple[float, float]],
    unit: str,
    *,
    most_x: float | None,
    least_y: float | None,
) -> str:
    """Throughput over 99th percentile with the Pareto front as a line.

    `most_x` and `least_y` are the limits, drawn as lines with the forbidden side shaded. Empty text without marks.
    """
    if not marks:
        return ""
    scale = _scale(marks, most_x, least_y)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Throughput over 99th percentile latency">',
        *_forbidden(scale, most_x, least_y),
        *_axes(scale, unit),
        _line(front, scale),
        # The interesting marks last, so that nothing covers them.
        *(_mark(mark, scale) for mark in sorted(marks, key=lambda mark: _ORDER.index(mark.kind))),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def progress(values: Sequence[float | None], unit: str) -> str:
    """The best so far over the number of the trial, as steps; trials before the first usable one are left out."""
    known = [(number, value) for number, value in enumerate(values, start=1) if value is not None]
    if len(known) < 2:
        return ""
    height, bottom = 130, 24
    low, high = min(value for _, value in known), max(value for _, value in known)
    span = (high - low) or max(abs(high), 1.0)

    def place(number: int, value: float) -> tuple[float, float]:
        across = _LEFT + (number - 1) / (len(values) - 1) * (WIDTH - _LEFT - _RIGHT)
        return across, height - bottom - (value - low) / span * (height - bottom - _TOP)

    steps = [place(*known[0])]
    for number, value in known[1:]:
        x, y = place(number, value)
        steps += [(x, steps[-1][1]), (x, y)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in steps)
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Best so far by trial">',
            *(
                f'<text class="tick" x="{_LEFT - 6}" y="{place(1, value)[1] + 4:.1f}" text-anchor="end">'
                f"{_short(value)}</text>"
                for value in dict.fromkeys((low, high))
            ),
            f'<line class="axis" x1="{_LEFT}" y1="{height - bottom}" x2="{WIDTH - _RIGHT}" y2="{height - bottom}"/>',
            f'<polyline class="best-so-far" points="{path}"/>',
            f'<text class="tick" x="{_LEFT}" y="{height - 6}">trial 1</text>',
            f'<text class="tick" x="{WIDTH - _RIGHT}" y="{height - 6}" text-anchor="end">trial {len(values)}</text>',
            (
                f'<text class="tick" x="{WIDTH / 2}" y="{height - 6}" text-anchor="middle">'
                f"{escape(unit)}, best so far</text>"
            ),
            "</svg>",
        ]
    )


_ORDER = ("missed", "point", "front", "current", "best")


def _scale(marks: Sequence[Mark], most_x: float | None, least_y: float | None) -> _Scale:
    xs = [mark.x for mark in marks] + ([most_x] if most_x else [])
    ys = [mark.y for mark in marks] + ([least_y] if least_y else [])
    left, right = min(xs) / 1.25, max(xs) * 1.25
    return _Scale(max(left, 1e-3), max(right, left * 2), max(ys) * 1.08 or 1.0)


def _axes(scale: _Scale, unit: str) -> list[str]:
    floor, end = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value in _linear_ticks(scale.top):
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{end}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for value in _logarithmic_ticks(scale.left, scale.right):
        x = scale.x(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{floor}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{_short(value)}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{end}" y2="{floor}"/>')
    middle = (_LEFT + end) / 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">p99 latency, ms</text>')
    parts.append(f'<text class="name" x="{_LEFT + 6}" y="{_TOP + 10}">{escape(unit)}</text>')
    return parts


def _forbidden(scale: _Scale, most_x: float | None, least_y: float | None) -> list[str]:
    parts = []
    floor, end = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    if most_x is not None:
        x = scale.x(most_x)
        parts.append(f'<rect class="forbidden" x="{x:.1f}" y="{_TOP}" width="{end - x:.1f}" height="{floor - _TOP}"/>')
        parts.append(f'<line class="limit" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{floor}"/>')
    if least_y is not None:
        y = scale.y(least_y)
        parts.append(
            f'<rect class="forbidden" x="{_LEFT}" y="{y:.1f}" width="{end - _LEFT}" height="{floor - y:.1f}"/>'
        )
        parts.append(f'<line class="limit" x1="{_LEFT}" y1="{y:.1f}" x2="{end}" y2="{y:.1f}"/>')
    return parts


def _line(front: Sequence[tuple[float, float]], scale: _Scale) -> str:
    points = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in front)
    return f'<polyline class="pareto" points="{points}"/>' if len(front) > 1 else ""


def _mark(mark: Mark, scale: _Scale) -> str:
    x, y = scale.x(mark.x), scale.y(mark.y)
    title = f"<title>{escape(mark.label)}</title>"
    if mark.kind == "current":
        corners = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}"
        return f'<polygon class="mark current" points="{corners}">{title}</polygon>'
    if mark.kind == "best":
        return (
            f'<g><circle class="halo" cx="{x:.1f}" cy="{y:.1f}" r="11"/>'
            f'<circle class="mark best" cx="{x:.1f}" cy="{y:.1f}" r="6">{title}</circle></g>'
        )
    radius = 4 if mark.kind == "front" else 3
    return f'<circle class="mark {mark.kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'


def _linear_ticks(top: float) -> list[float]:
    """Up to six round numbers from 0."""
    rough = top / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [index * step for index in range(int(top / step) + 1)]


def _logarithmic_ticks(left: float, right: float) -> list[float]:
    powers = range(math.floor(math.log10(left)), math.ceil(math.log10(right)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in _STEPS]
    inside = [tick for tick in ticks if left <= tick <= right]
    # On a wide axis the powers of ten are enough.
    return inside if len(inside) <= 9 else [tick for tick in inside if math.log10(tick) % 1 < 1e-9]


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
