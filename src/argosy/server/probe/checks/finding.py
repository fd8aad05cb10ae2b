"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check came out. Only FAIL keeps Argosy from serving."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: what was looked at.
        found: what was found there.
        remedy: the command that fixes it; empty when nothing is wrong.
    """

    check: str
    level: Level
    found: str
    remedy: str = ""
