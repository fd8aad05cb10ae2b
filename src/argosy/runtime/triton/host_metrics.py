"""An engine's gauges as Triton custom metrics, so that they appear on Triton's own metrics page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argosy.engines.contract import Engine

GAUGES: dict[str, tuple[str, str]] = {
    "running": ("argosy_engine_running", "Generations the engine is working on."),
    "waiting": ("argosy_engine_waiting", "Generations that wait for a place in the engine."),
    "kv_cache_usage": ("argosy_engine_kv_cache_usage", "Share of the key-value cache in use, 0 to 1."),
}
"""Metric names and help texts by the engine's short names; other gauges are `argosy_engine_<name>`."""


class EngineGauges:
    """Copies `engine.metrics()` into one gauge each, labelled with model and version."""

    def __init__(self, pb_utils: Any, engine: Engine, labels: Mapping[str, str]) -> None:
        self._pb_utils = pb_utils
        self._engine = engine
        self._labels = dict(labels)
        self._families: list[Any] = []
        self._metrics: dict[str, Any] = {}
        self._values: dict[str, float] = {}

    def refresh(self) -> None:
        """Set the gauges that changed; each costs a message to Triton."""
        for name, value in self._engine.metrics().items():
            if self._values.get(name) != value:
                self._metric(name).set(value)
                self._values[name] = value

    def close(self) -> None:
        """Drop the metrics before their families, and both before the stub ends."""
        self._metrics.clear()
        self._families.clear()

    def _metric(self, name: str) -> Any:
        if name not in self._metrics:
            full_name, text = GAUGES.get(name, (f"argosy_engine_{name}", f"Engine gauge {name}."))
            family = self._pb_utils.MetricFamily(
                name=full_name, description=text, kind=self._pb_utils.MetricFamily.GAUGE
            )
            self._families.append(family)
            self._metrics[name] = family.Metric(labels=self._labels)
        return self._metrics[name]
