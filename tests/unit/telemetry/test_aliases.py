from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from argosy.telemetry.aliases import ALIASES, Alias, Throughput, copies, only_model_text, parse_sources
from argosy.telemetry.metrics import TABLE, Metrics

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

RUNTIME = b"""# HELP argosy_engine_kv_cache_usage Share of the cache.
# TYPE argosy_engine_kv_cache_usage gauge
argosy_engine_kv_cache_usage{model="chatty",version="1"} 0.25
argosy_engine_kv_cache_usage{model="other",version="1"} 0.75
# TYPE argosy_engine_running gauge
argosy_engine_running{model="chatty",version="1"} 3
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
# TYPE nv_gpu_power_usage gauge
nv_gpu_power_usage{gpu_uuid="GPU-1"} 71.5
# TYPE nv_gpu_memory_used_bytes gauge
nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 1024
# TYPE nv_gpu_memory_total_bytes gauge
nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 4096
# TYPE nv_inference_count counter
nv_inference_count{model="other",version="1"} 9
"""

_WORKER = """
import sys
from argosy.telemetry.metrics import Metrics
metrics = Metrics()
metrics.request_ended("/v1/chat/completions", "chatty", 200, 0.1)
metrics.model("chatty").queue_depth.inc(2)
metrics.model("chatty").generation_ended("stop", 5, 7)
if sys.argv[1] == "render":
    sys.stdout.buffer.write(metrics.render())
"""


def used() -> Metrics:
    """Metrics of a server that has answered a few requests of two models."""
    metrics = Metrics()
    for route, model, status, seconds in (
        ("/v1/chat/completions", "chatty", 200, 0.2),
        ("/v1/completions", "chatty", 200, 3.0),
        ("/v1/completions", "chatty", 499, 1.0),
        ("/tokenize", "chatty", 200, 0.001),
        ("/v1/embeddings", "other", 503, 0.01),
        ("/v1/models", "", 200, 0.01),
    ):
        metrics.request_ended(route, model, status, seconds)
    chatty = metrics.model("chatty")
    chatty.generation_ended("stop", 5, 7)
    chatty.generation_ended("length", 600, 70)
    chatty.generation_ended("abort", 0, 2)
    chatty.queue_depth.inc(3)
    chatty.calls.inc(2)
    chatty.call_limit.set(128)
    chatty.first_token.observe(0.04)
    chatty.next_token.observe(0.02)
    chatty.queue_seconds.observe(0.3)
    return metrics


def series(text: bytes) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def named(found: Series, name: str) -> Series:
    """The series of one metric, a histogram's parts included."""
    names = {name, *(f"{name}_{part}" for part in ("bucket", "sum", "count"))}
    return {key: value for key, value in found.items() if key[0] in names}


def expected(alias: Alias, found: Series) -> Series:
    """What an alias must be, worked out from the source's exposed series alone."""
    values: dict[tuple[str, frozenset[tuple[str, str]]], list[float]] = {}
    renamed: Mapping[str, str] = {**alias.labels, "le": "le"}
    for (name, pairs), value in named(found, alias.source).items():
        labels = dict(pairs)
        if labels.get("model") == "" or (alias.keep is not None and not alias.keep(labels)):
            continue
        own = frozenset((renamed[label], text) for label, text in pairs if label in renamed)
        values.setdefault((alias.name + name.removeprefix(alias.source), own), []).append(value)
    return {key: alias.combine(parts) for key, parts in values.items()}


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.name)
def test_every_alias_equals_its_source(alias: Alias) -> None:
    """Value by value, parsed from the text a scraper gets."""
    found = series(used().render(RUNTIME))
    wanted = expected(alias, found)
    assert wanted
    assert named(found, alias.name) == pytest.approx(wanted)


def test_sources_exist_and_names_are_not_taken() -> None:
    """An alias copies what we or the runtime export, and two aliases never collide."""
    ours = {family.name for family in TABLE}
    names = [alias.name for alias in ALIASES]
    assert len(set(names)) == len(names)
    assert not ours & set(names)
    assert all(alias.source in ours or alias.source.startswith(("nv_", "argosy_engine_")) for alias in ALIASES)


def test_requests_are_summed_over_routes_and_split_by_outcome() -> None:
    """A client that left is a failure; tokenising is not an inference request."""
    found = series(used().render())
    model = frozenset({("model_name", "chatty")})
    assert found["request_success_total", model] == 2
    assert found["request_failure_total", model] == 1
    assert found["e2e_request_latency_seconds_count", model] == 3
    assert found["e2e_request_latency_seconds_sum", model] == pytest.approx(4.2)


def test_lengths_are_of_answers_that_ended_by_themselves() -> None:
    """Every token counts; an answer that was cut off says nothing about lengths."""
    found = series(used().render())
    model = frozenset({("model_name", "chatty")})
    assert found["request_generation_tokens_count", model] == 2
    assert found["request_prompt_tokens_sum", model] == 605
    assert found["generation_tokens_total", model] == 79
    assert found["request_finish_total", model | {("finished_reason", "abort")}] == 1


def test_the_cache_gauge_comes_from_the_runtimes_page() -> None:
    """Under the name that autoscaling rules use."""
    found = series(used().render(RUNTIME))
    assert found["gpu_cache_usage_perc", frozenset({("model_name", "chatty")})] == 0.25
    assert found["nim_gpu_memory_total_bytes", frozenset({("gpu_uuid", "GPU-1")})] == 4096


def test_aliases_of_a_runtime_that_says_nothing_are_left_out() -> None:
    """Rather than exported as zero."""
    assert "gpu_cache_usage_perc" not in used().render().decode()


def test_one_models_page_has_no_series_of_another() -> None:
    """Ours, the aliases and the runtime's; what belongs to no model stays."""
    text = used().render(RUNTIME, "chatty").decode()
    assert 'model_name="chatty"' in text
    assert "other" not in text
    assert "argosy_requests_in_flight" in text
    assert "nv_gpu_memory_used_bytes" in text


def test_a_label_that_only_ends_in_model_is_no_model() -> None:
    """Labels are compared whole."""
    line = b'x{submodel="a",model="b"} 1\n'
    assert only_model_text(line, "b") == line
    assert only_model_text(line, "a") == b""


def test_only_what_an_alias_copies_is_parsed() -> None:
    """The rest of the runtime's page may be in any form."""
    strange = b"nv_odd{ not a line\n" + RUNTIME
    assert {metric.name for metric in copies(parse_sources(strange))} >= {"gpu_cache_usage_perc", "nim_batch_size"}


def test_aliases_add_up_over_workers(tmp_path: Path) -> None:
    """With shared counts every worker's requests are in every alias."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", _WORKER, action], env=environment, check=True, capture_output=True, timeout=60
        ).stdout
        for action in ("count", "render")
    ]
    found = series(outputs[1])
    model = frozenset({("model_name", "chatty")})
    assert found["request_success_total", model] == 2
    assert found["generation_tokens_total", model] == 14
    assert found["vllm:request_prompt_tokens_bucket", model | {("le", "5.0")}] == 2
    assert found["nim_request_duration_seconds_count", model] == 2


def test_throughput_is_of_the_time_between_two_scrapes() -> None:
    """Scrapes that follow at once repeat the last figure."""
    now = [100.0]
    throughput = Throughput(lambda: now[0])
    metrics = Metrics()

    def rate() -> float:
        own = list(metrics._registry.collect())
        return throughput.look(own).samples[0].value

    metrics.model("chatty").output_tokens.inc(50)
    assert rate() == 0
    now[0] += 10
    metrics.model("chatty").output_tokens.inc(150)
    assert rate() == 20
    now[0] += 1
    assert rate() == 20
    now[0] += 9
    assert rate() == 0
