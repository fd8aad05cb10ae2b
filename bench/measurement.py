"""One measured figure and the bar it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit that a figure must keep.

    Attributes:
        limit: in the unit of the measurement.
        at_most: whether the figure may not exceed the limit; otherwise it may not fall below it.
    """

    limit: float
    at_most: bool = False

    def kept_by(self, value: float) -> bool:
        """Whether `value` is on the right side of the limit, the limit included; NaN never is."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"


def at_least(limit: float) -> Bar:
    """The figure must reach `limit`."""
    return Bar(limit)


def at_most(limit: float) -> Bar:
    """The figure may not exceed `limit`."""
    return Bar(limit, at_most=True)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of the report.

    Attributes:
        name: what was measured, unique in a report.
        unit: "x" for a ratio, else the unit of `value`.
        bar: None for figures that are only reported.
        how: one sentence that lets a reader repeat it by hand.
        details: the absolute figures behind `value`; they depend on the machine.
    """

    name: str
    value: float
    unit: str
    bar: Bar | None
    how: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the bar is kept; None without a bar."""
        return None if self.bar is None else self.bar.kept_by(self.value)

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        return {None: "-", True: "met", False: "MISSED"}[self.met]

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "bar": None if self.bar is None else str(self.bar),
            "met": self.met,
            "how": self.how,
            "details": dict(self.details),
        }
