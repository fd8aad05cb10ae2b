"""Whether a model is alive, from what little can be seen of it. Pure: observations and time are passed in.

Three signs, strongest first: it answered something since the last look (Triton's statistics), it answers a canary, its
processes compute. The last is the only one a model shows while one long batch or many long generations fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_TICKS_PER_SECOND = 100
_WORKING_SHARE = 0.1
_LOOKS = 10
_STILL_SHARE = 0.003
"""Of one processor; measured on a model process that waits for its Triton: a thousandth."""


@dataclass(slots=True)
class Pulse:
    """The signs of one model.

    Attributes:
        misses_allowed: silent looks in a row that condemn.
        silence: seconds that a silent look lasts, the canary's timeout.
        busy_grace: seconds for which computing alone counts as a sign of life.
    """

    misses_allowed: int
    silence: float
    busy_grace: float
    misses: int = 0
    _progress: int = -1
    _busy_since: float | None = None

    def moved(self, progress: int) -> bool:
        """Note the model's progress; whether it changed since the last look."""
        moved, self._progress = progress != self._progress, progress
        if moved:
            self.beats()
        return moved

    def beats(self) -> None:
        """The model answered."""
        self.misses = 0
        self._busy_since = None

    def silent(self, worked: int, now: float) -> bool:
        """The model neither made progress nor answered in this look.

        Args:
            worked: processor time its processes used during the look, kernel ticks.
            now: seconds, monotonic.

        Returns:
            Whether it is to be given up.
        """
        # A share of a core tells work from housekeeping.
        if worked >= self.silence * _TICKS_PER_SECOND * _WORKING_SHARE:
            self._busy_since = now if self._busy_since is None else self._busy_since
            if now - self._busy_since < self.busy_grace:
                self.misses = 0
                return False
        self.misses += 1
        return self.misses >= self.misses_allowed


class Stillness:
    """Whether processes have done nothing at all for some time.

    Args:
        seconds: for which they must have done nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = float("-inf")
        self._since = 0.0
        self._ticks: int | None = None

    def lasts(self, ticks: Callable[[], int], now: float) -> bool:
        """Look again, if it is time to.

        Args:
            ticks: reads the processor time that the processes have used so far, kernel ticks; called seldom.
            now: seconds, monotonic.
        """
        if now < self._next:
            return False
        self._next = now + self._seconds / _LOOKS
        used = ticks()
        most = max(1.0, self._seconds * _TICKS_PER_SECOND * _STILL_SHARE)
        if self._ticks is None or not 0 <= used - self._ticks <= most:
            self._ticks, self._since = used, now
        return now - self._since >= self._seconds
