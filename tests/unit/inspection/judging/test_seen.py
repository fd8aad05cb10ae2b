from __future__ import annotations

import math
from typing import Any

import pytest

from argosy.core.errors import InvalidRequest
from argosy.inspection.judging.seen import Inspection, Seen
from tests.unit.inspection.judging.examples import inspection, seen


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("score", -0.1),
        ("score", 1.1),
        ("score", math.nan),
        ("box", (5.0, 5.0, 5.0, 9.0)),
        ("box", (5.0, 9.0, 7.0, 5.0)),
        ("box", (0.0, 0.0, math.inf, 1.0)),
        ("box", (0.0, math.nan, 1.0, 1.0)),
        ("area_px", -1.0),
        ("area_px", math.nan),
        ("area_px", math.inf),
        ("length_px", -1.0),
        ("length_px", math.inf),
    ],
)
def test_a_defect_that_cannot_be_is_refused(param: str, value: Any) -> None:
    """A number that is none, or out of its range, would make a judgement mean nothing."""
    with pytest.raises(InvalidRequest) as refused:
        seen(**{param: value})
    assert refused.value.param == param
    assert "'1'" in refused.value.message


@pytest.mark.parametrize(
    ("param", "values"),
    [
        ("width", {"width": 0}),
        ("height", {"height": 0}),
        ("pixel_size_um", {"pixel_size_um": 0.0}),
        ("pixel_size_um", {"pixel_size_um": math.nan}),
        ("die", {"die": (0.0, 0.0, 0.5, 10.0)}),
        ("die", {"die": (10.0, 0.0, 0.0, 10.0)}),
        ("anomaly_score", {"anomaly_score": 1.5}),
        ("defects", {"defects": (seen(key="a"), seen("crack", key="a"))}),
    ],
)
def test_an_inspection_that_cannot_be_is_refused(param: str, values: dict[str, Any]) -> None:
    """The message names the field."""
    with pytest.raises(InvalidRequest) as refused:
        Inspection(**{"width": 10, "height": 10, **values})
    assert refused.value.param == param


def test_boxes_are_seen_in_fractions_of_the_frame() -> None:
    """Without a box of the die, the die is the frame."""
    assert Inspection(200, 400).on_die((20.0, 40.0, 100.0, 400.0)) == (0.1, 0.1, 0.5, 1.0)


def test_boxes_are_seen_in_fractions_of_the_die() -> None:
    """A box beside the die has fractions below 0 or above 1."""
    on_wafer = inspection(die=(100.0, 200.0, 300.0, 600.0))
    assert on_wafer.on_die((100.0, 200.0, 200.0, 400.0)) == (0.0, 0.0, 0.5, 0.5)
    assert on_wafer.on_die((0.0, 0.0, 400.0, 800.0)) == (-0.5, -0.5, 1.5, 1.5)


def test_the_ends_of_the_ranges_are_allowed() -> None:
    """0 and 1 are scores, and a defect may be too thin to have an area."""
    assert Seen("1", "crack", 1.0, (0.0, 0.0, 1.0, 1.0), 0.0, 0.0).score == 1.0
    assert seen(score=0.0, length_px=None).length_px is None
