"""What the judge looks at: the defects of one inspection, measured, and the frame they were seen in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from argosy.core.errors import InvalidRequest

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 with x0 < x1 and y0 < y1."""

_MOST = 1e9
"""Pixels of any length; their squares can be added and divided without care."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A defect that a model found.

    Attributes:
        id: what the judgement calls it; differs from those of the other defects of the inspection.
        name: class.
        score: confidence, 0 to 1.
        box: xyxy, pixels of the frame.
        area_px: pixels that it covers.
        length_px: length along the defect, pixels, such as of `length.length_of` of its mask; None when it was not
            measured, as by a model that gives boxes only.

    Raises:
        InvalidRequest: a value is not a number in its range.
    """

    id: str
    name: str
    score: float
    box: Box
    area_px: float
    length_px: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise InvalidRequest(f"The score of defect {self.id!r} must be from 0 to 1.", param="score")
        if not _is_box(self.box):
            raise InvalidRequest(f"The box of defect {self.id!r} must be x0 < x1 and y0 < y1.", param="box")
        if not 0 <= self.area_px <= _MOST**2:
            raise InvalidRequest(f"The area of defect {self.id!r} must be 0 or more pixels.", param="area_px")
        if self.length_px is not None and not 0 <= self.length_px <= _MOST:
            raise InvalidRequest(f"The length of defect {self.id!r} must be 0 or more pixels.", param="length_px")


@dataclass(frozen=True, slots=True)
class Inspection:
    """One picture of a die after inference.

    Attributes:
        width: of the frame, pixels.
        height: of the frame, pixels.
        defects: in any order.
        pixel_size_um: edge of a pixel on the die, 1e-6 to 1e6 micrometres; None when the optics are not known.
        die: where the die lies in the frame, xyxy pixels; None when it fills the frame.
        anomaly_score: of the whole picture, 0 to 1; None when the model gives none.
        quality_failures: checks of the picture's quality that failed, by name, such as "sharpness".

    Raises:
        InvalidRequest: a value is out of its range, or two defects have one id.
    """

    width: int
    height: int
    defects: tuple[Seen, ...] = ()
    pixel_size_um: float | None = None
    die: Box | None = None
    anomaly_score: float | None = None
    quality_failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, size in (("width", self.width), ("height", self.height)):
            if not 1 <= size <= _MOST:
                raise InvalidRequest(f"The {name} of the frame must be at least one pixel.", param=name)
        if self.pixel_size_um is not None and not 1e-6 <= self.pixel_size_um <= 1e6:
            raise InvalidRequest("The pixel size must be from 1e-6 to 1e6 micrometres.", param="pixel_size_um")
        if self.die is not None and not (
            _is_box(self.die) and self.die[2] - self.die[0] >= 1 and self.die[3] - self.die[1] >= 1
        ):
            raise InvalidRequest("The box of the die must be at least one pixel wide and high.", param="die")
        if self.anomaly_score is not None and not 0.0 <= self.anomaly_score <= 1.0:
            raise InvalidRequest("The anomaly score must be from 0 to 1.", param="anomaly_score")
        if len({defect.id for defect in self.defects}) < len(self.defects):
            raise InvalidRequest("Every defect of an inspection needs an id of its own.", param="defects")

    @property
    def area_px(self) -> int:
        """Pixels of the frame."""
        return self.width * self.height

    def on_die(self, box: Box) -> Box:
        """The box in fractions of the die: (0, 0) is its upper left corner and (1, 1) its lower right one."""
        left, top, right, bottom = self.die or (0.0, 0.0, float(self.width), float(self.height))
        x0, y0, x1, y1 = box
        width, height = right - left, bottom - top
        return ((x0 - left) / width, (y0 - top) / height, (x1 - left) / width, (y1 - top) / height)


def _is_box(values: Iterable[float]) -> bool:
    x0, y0, x1, y1 = values
    return -_MOST <= x0 < x1 <= _MOST and -_MOST <= y0 < y1 <= _MOST
