"""Which models are in memory, as metrics: rendered at scrape time from what the supervisor last said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from argosy.core.residency import LOAD_SECONDS, EvictionReason, Residence, ResidenceState
from argosy.core.status import RuntimeStatus
from argosy.telemetry.family import Family

MEMORY = Family(
    Gauge,
    "argosy_model_memory_bytes",
    "Memory that a model counts for: the larger of the estimate before and the measurement after its load.",
    ("model",),
)
BUDGET = Family(Gauge, "argosy_memory_budget_bytes", "Memory for all models together; 0 means no bound.")
STATE = Family(
    Gauge,
    "argosy_model_state",
    "1 for the state a model is in: unloaded, loading, ready, fenced, draining or failed.",
    ("model", "state"),
)
LOADS = Family(Counter, "argosy_model_loads_total", "Loads that ended, by how: ready or failed.", ("model", "result"))
EVICTIONS = Family(
    Counter,
    "argosy_model_evictions_total",
    "Times a model was taken out of memory: for the room of another, idle, or because models had grown.",
    ("model", "reason"),
)
SECONDS = Family(Histogram, "argosy_model_load_duration_seconds", "Loads that succeeded.", ("model",), LOAD_SECONDS)

TABLE: tuple[Family, ...] = (MEMORY, BUDGET, STATE, LOADS, EVICTIONS, SECONDS)

_STATES = ("unloaded", "loading", "ready", "fenced", "draining", "failed")


def collect(residences: Iterable[Residence], status: RuntimeStatus | None, budget: int) -> Iterator[Metric]:
    """The families of `TABLE`, with a series for every model."""
    memory = GaugeMetricFamily(MEMORY.name, MEMORY.text, labels=MEMORY.labels)
    state = GaugeMetricFamily(STATE.name, STATE.text, labels=STATE.labels)
    loads = CounterMetricFamily(LOADS.name, LOADS.text, labels=LOADS.labels)
    evictions = CounterMetricFamily(EVICTIONS.name, EVICTIONS.text, labels=EVICTIONS.labels)
    seconds = HistogramMetricFamily(SECONDS.name, SECONDS.text, labels=SECONDS.labels)
    for residence in residences:
        name, tally = residence.name, residence.tally
        memory.add_metric([name], residence.size if _in_memory(residence) else 0)
        standing = _standing(residence, status)
        for each in _STATES:
            state.add_metric([name, each], each == standing)
        loads.add_metric([name, "ready"], tally.loaded)
        loads.add_metric([name, "failed"], tally.failed)
        for reason in EvictionReason:
            evictions.add_metric([name, reason], tally.evicted.get(reason, 0))
        bounds = (*map(str, LOAD_SECONDS), "+Inf")
        seconds.add_metric([name], list(zip(bounds, accumulate(tally.seconds), strict=True)), tally.seconds_sum)
    yield from (memory, GaugeMetricFamily(BUDGET.name, BUDGET.text, budget), state, loads, evictions, seconds)


def _in_memory(residence: Residence) -> bool:
    return residence.state in {ResidenceState.RESIDENT, ResidenceState.DRAINING, ResidenceState.LOADING}


def _standing(residence: Residence, status: RuntimeStatus | None) -> str:
    """A model in memory is as the runtime says; another as the supervisor does."""
    if residence.state is not ResidenceState.RESIDENT:
        return residence.state.value
    model = status.models.get(residence.name) if status is not None else None
    return model.state.value if model is not None else "loading"
