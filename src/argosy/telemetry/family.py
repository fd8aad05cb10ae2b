"""How a metric is declared."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as scrapers see it.

    Attributes:
        gather: how gauges of several workers become one, in prometheus_client's words.
    """

    kind: type[Counter] | type[Gauge] | type[Histogram]
    name: str
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    gather: str = "livesum"
