"""Every metric Argosy exports, in one table, and the objects that count.

With several gateway workers the counts live in files of one directory: set `PROMETHEUS_MULTIPROC_DIR` (an empty,
writable directory) in the environment before this module is imported; any worker then answers for all of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from argosy.core.residency import Residence
from argosy.core.status import ModelState, RuntimeStatus
from argosy.telemetry import aliases, residency
from argosy.telemetry.family import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5)


REQUESTS = Family(Counter, "argosy_requests_total", "Requests answered.", ("route", "model", "status"))
REQUEST_SECONDS = Family(
    Histogram,
    "argosy_request_duration_seconds",
    "From the first byte of a request to the last byte of its answer.",
    ("route", "model"),
    _SECONDS,
)
REQUESTS_IN_FLIGHT = Family(Gauge, "argosy_requests_in_flight", "Requests taken and not yet answered.")
ENGINE_CALLS = Family(Gauge, "argosy_engine_calls_in_flight", "Engine calls under way.", ("model",))
ENGINE_LIMIT = Family(Gauge, "argosy_engine_call_limit", "Most engine calls at once.", ("model",))
QUEUE_DEPTH = Family(Gauge, "argosy_queue_depth", "Requests that wait for an engine slot.", ("model",))
QUEUE_SECONDS = Family(
    Histogram, "argosy_queue_duration_seconds", "Time spent waiting for an engine slot.", ("model",), _SECONDS
)
REJECTED = Family(Counter, "argosy_requests_rejected_total", "Requests that got no slot.", ("model", "reason"))
PROMPT_TOKENS = Family(Counter, "argosy_prompt_tokens_total", "Tokens read by the model.", ("model",))
OUTPUT_TOKENS = Family(Counter, "argosy_generation_tokens_total", "Tokens produced by the model.", ("model",))
FIRST_TOKEN = Family(
    Histogram, "argosy_time_to_first_token_seconds", "Until the first piece of an answer.", ("model",), _SECONDS
)
NEXT_TOKEN = Family(
    Histogram,
    "argosy_inter_token_latency_seconds",
    "Between two pieces of an answer, per token.",
    ("model",),
    _TOKEN_SECONDS,
)
GENERATIONS = Family(
    Counter,
    "argosy_generations_finished_total",
    "Answers that ended, by why: stop, length, abort (the client left) or error.",
    ("model", "finished_reason"),
)
GENERATION_PROMPT = Family(
    Histogram, "argosy_request_prompt_tokens", "Length of the prompts of finished answers.", ("model",), _TOKENS
)
GENERATION_OUTPUT = Family(
    Histogram, "argosy_request_generation_tokens", "Length of finished answers.", ("model",), _TOKENS
)
MODEL_READY = Family(
    Gauge, "argosy_model_ready", "1 when the model takes requests.", ("model",), gather="livemostrecent"
)
RUNTIME_RESTARTS = Family(
    Gauge,
    "argosy_runtime_restarts",
    "Restarts of the serving runtime after a fault, since start.",
    gather="livemostrecent",
)

TABLE: tuple[Family, ...] = (
    REQUESTS,
    REQUEST_SECONDS,
    REQUESTS_IN_FLIGHT,
    ENGINE_CALLS,
    ENGINE_LIMIT,
    QUEUE_DEPTH,
    QUEUE_SECONDS,
    REJECTED,
    PROMPT_TOKENS,
    OUTPUT_TOKENS,
    FIRST_TOKEN,
    NEXT_TOKEN,
    GENERATIONS,
    GENERATION_PROMPT,
    GENERATION_OUTPUT,
    MODEL_READY,
    RUNTIME_RESTARTS,
    *residency.TABLE,
)
"""The whole list of our own names; `aliases` has the others. `docs/metrics.md` is checked against both."""

FINISHED_REASONS = ("stop", "length", "abort", "error")


class ModelMetrics:
    """The metrics of one model with its label already bound, so that counting costs no look-up."""

    __slots__ = (
        "_answer_lengths",
        "_finished",
        "_prompt_lengths",
        "call_limit",
        "calls",
        "expired",
        "first_token",
        "next_token",
        "output_tokens",
        "overloaded",
        "prompt_tokens",
        "queue_depth",
        "queue_seconds",
        "turned_away",
    )

    def __init__(self, metrics: Metrics, model: str) -> None:
        self.calls: Gauge = metrics.child(ENGINE_CALLS, model)
        self.call_limit: Gauge = metrics.child(ENGINE_LIMIT, model)
        self.queue_depth: Gauge = metrics.child(QUEUE_DEPTH, model)
        self.queue_seconds: Histogram = metrics.child(QUEUE_SECONDS, model)
        self.overloaded: Counter = metrics.child(REJECTED, model, "overloaded")
        self.expired: Counter = metrics.child(REJECTED, model, "expired")
        self.turned_away: Counter = metrics.child(REJECTED, model, "not_loaded")
        self.prompt_tokens: Counter = metrics.child(PROMPT_TOKENS, model)
        self.output_tokens: Counter = metrics.child(OUTPUT_TOKENS, model)
        self.first_token: Histogram = metrics.child(FIRST_TOKEN, model)
        self.next_token: Histogram = metrics.child(NEXT_TOKEN, model)
        self._prompt_lengths: Histogram = metrics.child(GENERATION_PROMPT, model)
        self._answer_lengths: Histogram = metrics.child(GENERATION_OUTPUT, model)
        self._finished: dict[str, Counter] = {
            reason: metrics.child(GENERATIONS, model, reason) for reason in FINISHED_REASONS
        }

    def generation_ended(self, reason: str, prompt_tokens: int, output_tokens: int) -> None:
        """Count one answer.

        Args:
            reason: one of `FINISHED_REASONS`; lengths are only measured of answers that ended by themselves.
            prompt_tokens: length of the prompt.
            output_tokens: length of the answer.
        """
        self.prompt_tokens.inc(prompt_tokens)
        self.output_tokens.inc(output_tokens)
        self._finished[reason].inc()
        if reason in {"stop", "length"}:
            self._prompt_lengths.observe(prompt_tokens)
            self._answer_lengths.observe(output_tokens)


class Metrics:
    """All metrics of this process. Label values come from the catalog and the route table only, never from clients."""

    def __init__(self) -> None:
        # The time each series was born makes the text half as long again and nobody reads it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._families: dict[str, Any] = {
            family.name: _build(family, self._registry) for family in TABLE if family not in residency.TABLE
        }
        self._models: dict[str, ModelMetrics] = {}
        self._known: set[str] = set()
        self._residences: tuple[Residence, ...] = ()
        self._models_status: RuntimeStatus | None = None
        self._budget = 0
        self._requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._throughput = aliases.Throughput(time.monotonic)
        self._rendering = threading.Lock()
        self.in_flight: Gauge = self._families[REQUESTS_IN_FLIGHT.name]

    def child(self, family: Family, *labels: str) -> Any:
        """The metric with its labels bound."""
        return self._families[family.name].labels(*labels)

    def model(self, name: str) -> ModelMetrics:
        """The bound metrics of a model, made on first use."""
        try:
            return self._models[name]
        except KeyError:
            return self._models.setdefault(name, ModelMetrics(self, name))

    def request_ended(self, route: str, model: str, status: int, seconds: float) -> None:
        """Count one answered request.

        Args:
            route: the route's path template.
            model: the served model's name, or empty.
            status: what the client got, or would have got had the stream not begun.
            seconds: the request's whole duration.
        """
        try:
            count, duration = self._requests[route, model, status]
        except KeyError:
            count = self.child(REQUESTS, route, model, str(status))
            duration = self.child(REQUEST_SECONDS, route, model)
            self._requests[route, model, status] = (count, duration)
        count.inc()
        duration.observe(seconds)

    def runtime_changed(self, status: RuntimeStatus) -> None:
        """Take over the runtime's newest state."""
        self._models_status = status
        self._families[RUNTIME_RESTARTS.name].set(status.restarts)
        for name, model in status.models.items():
            self.child(MODEL_READY, name).set(model.state is ModelState.READY)
        for name in self._known - status.models.keys():
            self.child(MODEL_READY, name).set(0)
        self._known |= status.models.keys()

    def residences_changed(self, residences: Iterable[Residence], budget: int) -> None:
        """Take over which models are in memory, as the supervisor counts."""
        self._residences, self._budget = tuple(residences), budget

    def render(self, runtime: bytes = b"", model: str | None = None) -> bytes:
        """The exposition text (Prometheus text format 0.0.4) of every worker, under our names and all others.

        Args:
            runtime: the runtime's own text; it follows ours, and what aliases copy from it is read.
            model: leave out what belongs to another model.
        """
        with self._rendering:
            own = list(self._gathered().collect())
            # The supervisor's own counts: every worker knows all of them, so that adding them up would be wrong.
            own += residency.collect(self._residences, self._models_status, self._budget)
            metrics: Iterable[Metric] = [*own, *aliases.copies([*own, *aliases.parse_sources(runtime)])]
            metrics = [*metrics, self._throughput.look(own)]
        if model is not None:
            metrics, runtime = aliases.only_model(metrics, model), aliases.only_model_text(runtime, model)
        return generate_latest(_Collected(metrics)) + runtime

    def _gathered(self) -> CollectorRegistry:
        directory = os.environ.get(_MULTIPROCESS)
        if not directory:
            return self._registry
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered, path=directory)  # type: ignore[no-untyped-call]
        return gathered


class _Collected(Collector):
    """Metrics that have been collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def forget_process(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that died; its counters stay counted. Nothing happens without shared counts."""
    if directory.is_dir():
        mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def _build(family: Family, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if family.kind is Histogram:
        return Histogram(family.name, family.text, family.labels, registry=registry, buckets=family.buckets)
    if family.kind is Gauge:
        return Gauge(
            family.name,
            family.text,
            family.labels,
            registry=registry,
            multiprocess_mode=family.gather,  # type: ignore[arg-type]
        )
    return Counter(family.name, family.text, family.labels, registry=registry)
