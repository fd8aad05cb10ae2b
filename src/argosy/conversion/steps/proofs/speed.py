"""How fast a built profile is on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

_ROUNDS = 3
_LEAST_SECONDS = 0.5


def rate(work: Callable[[], object], count: int) -> float:
    """Items a second, the best of three rounds of at least half a second each; the first call, untimed, warms up.

    Args:
        work: does `count` items.
        count: items of one call.
    """
    work()
    return max(_round(work, count) for _ in range(_ROUNDS))


def _round(work: Callable[[], object], count: int) -> float:
    began, done = time.monotonic(), 0
    while (spent := time.monotonic() - began) < _LEAST_SECONDS or not done:
        work()
        done += count
    return done / (time.monotonic() - began) if spent else float(done)
