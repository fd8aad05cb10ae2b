"""One absolute point in monotonic time that a request carries through every layer."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from argosy.core.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock.

    Attributes:
        at: seconds on `time.monotonic()`'s clock; `math.inf` means no deadline.
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The point `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative; `math.inf` without a deadline."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the point lies in the past."""
        return time.monotonic() >= self.at

    def check(self) -> None:
        """Raise `DeadlineExceeded` when the point has passed."""
        if self.passed:
            raise DeadlineExceeded("The request's deadline passed. Raise x-request-timeout-ms or send less at once.")


NEVER = Deadline(math.inf)
"""No deadline."""
