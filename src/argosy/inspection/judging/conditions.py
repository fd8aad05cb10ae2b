"""Which defects a rule speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from argosy.inspection.judging.seen import Inspection, Seen
from argosy.inspection.judging.zones import Zone


class Measure(StrEnum):
    """A size of one defect."""

    AREA_PX = "area_px"
    AREA_UM2 = "area_um2"
    LENGTH_PX = "length_px"
    LENGTH_UM = "length_um"

    def of(self, defect: Seen, pixel_size_um: float | None) -> float | None:
        """The defect's size; None when it was not measured or needs a pixel size that is not known."""
        match self:
            case Measure.AREA_PX:
                return defect.area_px
            case Measure.AREA_UM2:
                return None if pixel_size_um is None else defect.area_px * pixel_size_um**2
            case Measure.LENGTH_PX:
                return defect.length_px
            case Measure.LENGTH_UM:
                return None if pixel_size_um is None or defect.length_px is None else defect.length_px * pixel_size_um


@dataclass(frozen=True, slots=True)
class Range:
    """at_least <= value < below; None is no bound."""

    at_least: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.below is None or value < self.below)

    def covers(self, other: Range) -> bool:
        """Whether every value in the other is in this one."""
        lower = self.at_least is None or (other.at_least is not None and other.at_least >= self.at_least)
        upper = self.below is None or (other.below is not None and other.below <= self.below)
        return lower and upper

    def to_mapping(self) -> dict[str, float]:
        """As it stands in a rule set."""
        bounds = {"at_least": self.at_least, "below": self.below}
        return {name: bound for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class Condition:
    """A defect meets it when it meets every part that is given.

    Attributes:
        classes: it is of one of these; empty for any.
        sizes: a range for each measure that matters.
        touches: it has a point in one of these zones; empty for anywhere.
        inside: it lies inside of one of these zones; empty for anywhere.
    """

    classes: frozenset[str] = frozenset()
    sizes: tuple[tuple[Measure, Range], ...] = ()
    touches: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()

    def met_by(self, defect: Seen, inspection: Inspection, zones: Mapping[str, Zone]) -> bool | None:
        """Whether the defect meets it; None when that hangs on a size that is not known."""
        if self.classes and defect.name not in self.classes:
            return False
        if self.touches or self.inside:
            box = inspection.on_die(defect.box)
            if self.touches and not any(zones[name].touches(box) for name in self.touches):
                return False
            if self.inside and not any(zones[name].holds(box) for name in self.inside):
                return False
        known = True
        for measure, wanted in self.sizes:
            size = measure.of(defect, inspection.pixel_size_um)
            if size is None:
                known = False
            elif size not in wanted:
                return False
        return True if known else None

    def covers(self, other: Condition) -> bool:
        """Whether every defect that meets the other must meet this one."""
        sizes = dict(other.sizes)
        return (
            (not self.classes or (bool(other.classes) and other.classes <= self.classes))
            and all(measure in sizes and wanted.covers(sizes[measure]) for measure, wanted in self.sizes)
            and (not self.touches or any(part and part <= self.touches for part in (other.touches, other.inside)))
            and (not self.inside or (bool(other.inside) and other.inside <= self.inside))
        )

    def to_mapping(self) -> dict[str, Any]:
        """As it stands in a rule set, in one order."""
        parts: dict[str, Any] = {
            "class": sorted(self.classes),
            **{measure.value: wanted.to_mapping() for measure, wanted in sorted(self.sizes)},
            "touches": sorted(self.touches),
            "inside": sorted(self.inside),
        }
        return {name: part for name, part in parts.items() if part}
