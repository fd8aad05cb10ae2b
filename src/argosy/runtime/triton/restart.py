"""When to start again after a crash, and when to give up. Pure: time and chance are passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["GiveUp", "Quarantine", "RestartOptions", "RestartPolicy", "Retry", "Verdict"]


@dataclass(frozen=True, slots=True)
class RestartOptions:
    """The numbers of the policy, in seconds.

    Attributes:
        first_delay: wait before the second restart of a row; the first is immediate, later ones double.
        longest_delay: where doubling ends.
        jitter: share of the delay that chance may add.
        good_after: serving this long without a fault begins a new row.
        most_crashes: more than this many within `window` is a crash loop.
    """

    first_delay: float = 0.5
    longest_delay: float = 30.0
    jitter: float = 0.1
    good_after: float = 60.0
    most_crashes: int = 5
    window: float = 600.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Start again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One model caused every crash of the loop: start again at once without it."""

    model: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A crash loop that no single model explains."""

    crashes: int


Verdict = Retry | Quarantine | GiveUp


class RestartPolicy:
    """Counts crashes.

    Args:
        clock: seconds, monotonic.
        chance: a number from 0 to 1 for the jitter.
    """

    def __init__(self, options: RestartOptions, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._chance = chance
        self._crashes: deque[tuple[float, str | None]] = deque()
        self._row = 0
        self._ready_since: float | None = None

    def ready(self) -> None:
        """The runtime serves from now on."""
        self._ready_since = self._clock()

    def crashed(self, model: str | None = None) -> Verdict:
        """Decide what follows a crash.

        Args:
            model: the one whose process failed, or None when the server itself did.
        """
        now = self._clock()
        options = self._options
        if self._ready_since is not None and now - self._ready_since >= options.good_after:
            self._row = 0
        self._ready_since = None
        self._crashes.append((now, model))
        while now - self._crashes[0][0] > options.window:
            self._crashes.popleft()
        if len(self._crashes) > options.most_crashes:
            return self._loop()
        self._row += 1
        return Retry(self._delay())

    def _loop(self) -> Quarantine | GiveUp:
        culprits = {model for _, model in self._crashes}
        culprit = culprits.pop() if len(culprits) == 1 else None
        if culprit is None:
            return GiveUp(len(self._crashes))
        self._crashes.clear()
        self._row = 0
        return Quarantine(culprit)

    def _delay(self) -> float:
        if self._row == 1:
            return 0.0
        base = min(self._options.longest_delay, self._options.first_delay * 2.0 ** (self._row - 2))
        return base * (1 + self._options.jitter * self._chance())
