"""Defects, inspections and rule sets to judge."""

from __future__ import annotations

from typing import Any

from argosy.inspection.judging.reading import rule_set_from
from argosy.inspection.judging.rules import RuleSet
from argosy.inspection.judging.seen import Box, Inspection, Seen

FRAME = 1000
"""Width and height of the frame, pixels: a pixel is a thousandth of the die."""


def seen(
    name: str = "scratch",
    *,
    key: str = "1",
    score: float = 0.95,
    box: Box = (500.0, 500.0, 520.0, 510.0),
    area_px: float = 100.0,
    length_px: float | None = 20.0,
) -> Seen:
    """A defect in the middle of the die that is surely one."""
    return Seen(key, name, score, box, area_px, length_px)


def inspection(*defects: Seen, **given: Any) -> Inspection:
    """A picture with these defects."""
    return Inspection(FRAME, FRAME, defects, **given)


def document(**parts: Any) -> dict[str, Any]:
    """The least rule set, with these parts added or replaced."""
    return {
        "schema": 1,
        "name": "line-7",
        "version": 3,
        "scores": {"threshold": 0.75, "margin": 0.1},
        "classes": {"scratch": "low", "crack": "high", "dust": "none", "stain": "medium"},
        **parts,
    }


def rule_set(**parts: Any) -> RuleSet:
    """The least rule set, with these parts added or replaced."""
    return rule_set_from(document(**parts))
