"""The two scales of a judgement. Both are text that sorts by how bad it is, so that `max` finds the worst."""

from __future__ import annotations

from enum import StrEnum


class _Level(StrEnum):
    """Members in the order of their definition; as plain text they would sort by the alphabet."""

    @property
    def rank(self) -> int:
        """Place on the scale, 0 for the mildest."""
        return list(type(self)).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < type(self)(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= type(self)(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > type(self)(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= type(self)(other).rank


class Severity(_Level):
    """How bad a defect is."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Verdict(_Level):
    """What becomes of an inspection: accepted, looked at by a person, or rejected."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    REVIEW = "REVIEW"
    FAIL = "FAIL"
