"""What all gateway workers together do with the models, as last reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping

from argosy.core.residency import Lease


class Leases:
    """Adds up the workers' reports.

    A report replaces the worker's former one, so that nothing is counted twice and a lost report is mended by the next;
    what a worker held ends with the worker.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reports: dict[Hashable, Mapping[str, Lease]] = {}
        self._used: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._on_change: Callable[[], None] = lambda: None

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` after every change from now on."""
        self._on_change = on_change

    def report(self, worker: Hashable, leases: Mapping[str, Lease]) -> None:
        """Take over what a worker does now."""
        self._reports[worker] = leases
        now = self._clock()
        for name, lease in leases.items():
            self._used[name] = max(self._used.get(name, 0.0), now - lease.idle)
        self._settle()

    def forget(self, worker: Hashable) -> None:
        """A worker is gone, and its requests with it."""
        if self._reports.pop(worker, None) is not None:
            self._settle()

    def active(self, name: str) -> int:
        """Requests that hold a slot of the model."""
        return sum(report[name].active for report in self._reports.values() if name in report)

    def last_used(self, name: str) -> float:
        """When a worker last saw a request at work, on the clock; 0 when none ever did."""
        return self._used.get(name, 0.0)

    def waiting(self) -> list[str]:
        """Models that requests wait for, the one that was first asked for first."""
        return sorted(self._asked, key=self._asked.__getitem__)

    def _settle(self) -> None:
        wanted = {name for report in self._reports.values() for name, lease in report.items() if lease.waiting}
        now = self._clock()
        self._asked = {name: self._asked.get(name, now) for name in wanted}
        self._on_change()
