"""Processor time by part: what a request costs does not depend on who else uses the machine, its rate does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bench.figures import middle
from bench.wrk import Load


class Metered(Protocol):
    """A server that knows what its parts have used."""

    def processor_seconds(self) -> dict[str, float]:
        """Processor time used so far by each part."""
        ...


@dataclass(slots=True)
class Costs:
    """Microseconds of processor time for one unit of work, collected over the rounds.

    Attributes:
        raw: of this process, when it does the work itself.
        served: of each part of the server and of wrk.
    """

    raw: list[float] = field(default_factory=list)
    served: dict[str, list[float]] = field(default_factory=dict)

    def of_this_process(self, work: Callable[[], float], units: int) -> float:
        """What `work` returns, noting what it cost for each of `units`."""
        before = time.process_time()
        outcome = work()
        self.raw.append(1e6 * (time.process_time() - before) / units)
        return outcome

    def of_server(self, server: Metered, work: Callable[[], Load], per_request: int = 1) -> Load:
        """What `work` returns, noting what each of its requests, or of the units in them, cost every part."""
        before = server.processor_seconds()
        load = work()
        used = {part: seconds - before[part] for part, seconds in server.processor_seconds().items()}
        self._note(used | {"wrk": load.processor}, load.requests * per_request)
        return load

    def details(self) -> dict[str, float]:
        """Medians for a measurement's details."""
        raw = {"raw us": middle(self.raw)} if self.raw else {}
        return raw | {f"{part} us": middle(costs) for part, costs in self.served.items()}

    def _note(self, used: Mapping[str, float], units: int) -> None:
        for part, seconds in used.items():
            self.served.setdefault(part, []).append(1e6 * seconds / units)
