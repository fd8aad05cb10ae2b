from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.telemetry.metrics import TABLE, Metrics

_WORKER = """
import sys
from argosy.telemetry.metrics import Metrics
metrics = Metrics()
metrics.request_ended("/v1/embeddings", "m", 200, 0.1)
metrics.model("m").queue_depth.inc(2)
if sys.argv[1] == "render":
    sys.stdout.buffer.write(metrics.render())
"""


def test_every_name_in_the_table_is_exported() -> None:
    """With its help and kind, and under our prefix."""
    metrics = Metrics()
    metrics.request_ended("/v1/models", "", 200, 0.1)
    metrics.model("m")
    metrics.runtime_changed(_status(ModelState.READY))
    text = metrics.render().decode()
    for family in TABLE:
        assert family.name.startswith("argosy_")
        assert f"# HELP {family.name} {family.text}" in text


def test_requests_are_counted_by_route_model_and_status() -> None:
    """And timed by route and model."""
    metrics = Metrics()
    for status in (200, 200, 503):
        metrics.request_ended("/v1/embeddings", "m", status, 0.2)
    samples = _samples(metrics.render())
    assert samples["argosy_requests_total", "200"] == 2
    assert samples["argosy_requests_total", "503"] == 1
    assert samples["argosy_request_duration_seconds_count", ""] == 3


def test_the_runtimes_state_is_a_gauge_a_model() -> None:
    """1 means that the model takes requests."""
    metrics = Metrics()
    metrics.runtime_changed(_status(ModelState.READY))
    assert b'argosy_model_ready{model="m"} 1.0' in metrics.render()
    metrics.runtime_changed(_status(ModelState.FENCED))
    assert b'argosy_model_ready{model="m"} 0.0' in metrics.render()
    assert b"argosy_runtime_restarts 4.0" in metrics.render()


def test_any_worker_answers_for_all(tmp_path: Path) -> None:
    """With PROMETHEUS_MULTIPROC_DIR the counts of processes add up."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", _WORKER, action], env=environment, check=True, capture_output=True, timeout=60
        ).stdout
        for action in ("count", "render")
    ]
    assert _samples(outputs[1])["argosy_requests_total", "200"] == 2


def _status(state: ModelState) -> RuntimeStatus:
    return RuntimeStatus(RuntimeState.READY, models={"m": ModelStatus("m", state)}, restarts=4)


def _samples(text: bytes) -> dict[tuple[str, str], float]:
    """Value by sample name and `status` label."""
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, sample.labels.get("status", "")): sample.value for family in families for sample in family.samples
    }


def test_a_model_that_was_unloaded_is_ready_no_longer() -> None:
    """Its last state would be scraped for ever."""
    metrics = Metrics()
    metrics.runtime_changed(_status(ModelState.READY))
    metrics.runtime_changed(RuntimeStatus(RuntimeState.READY))
    assert 'argosy_model_ready{model="m"} 0.0' in metrics.render().decode()
