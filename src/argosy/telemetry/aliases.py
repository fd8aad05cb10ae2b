"""Other servers' names for our metrics, rendered at scrape time from the same counts.

Dashboards, autoscaling rules and load generators look for the names of NIM 1.x (without a prefix), of vLLM (`vllm:`)
and for a few more (`nim_`). Counting once and writing the result under several names costs nothing per request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

_MODEL = {"model": "model_name"}
_FINISHED = {"model": "model_name", "finished_reason": "finished_reason"}
_DEVICE = {"gpu_uuid": "gpu_uuid"}
_TOKENIZING = frozenset({"/tokenize", "/detokenize"})
_MODEL_LABEL = re.compile(rb'[{,]model(?:_name)?="((?:[^"\\]|\\.)*)"')

Labels = Mapping[str, str]


def _succeeded(labels: Labels) -> bool:
    return _ran(labels) and labels["status"].startswith("2")


def _failed(labels: Labels) -> bool:
    return _ran(labels) and not labels["status"].startswith("2")


def _ran(labels: Labels) -> bool:
    return labels["route"] not in _TOKENIZING


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a metric.

    Attributes:
        name: as scrapers see it; a counter's ends in `_total`.
        source: the metric it copies, in our own table or on the runtime's page.
        labels: labels of the source that are kept, with their names here; the others are summed away.
        keep: which of the source's series count; None takes all that name a model.
        combine: makes one value of the series that differ only in dropped labels.
        note: what a reader should know beyond the source.
    """

    name: str
    source: str
    labels: Mapping[str, str] = field(default_factory=_MODEL.copy)
    keep: Callable[[Labels], bool] | None = None
    combine: Callable[[Iterable[float]], float] = sum
    note: str = ""


_REQUESTS = "argosy_requests_total"
_DURATION = "argosy_request_duration_seconds"
_RUNNING = "argosy_engine_calls_in_flight"
_WAITING = "argosy_queue_depth"
_CACHE = "argosy_engine_kv_cache_usage"

ALIASES: tuple[Alias, ...] = (
    # NIM 1.x.
    Alias("num_requests_running", _RUNNING),
    Alias("num_requests_waiting", _WAITING),
    Alias("num_request_max", "argosy_engine_call_limit"),
    Alias("gpu_cache_usage_perc", _CACHE, combine=max, note="0 to 1, of whatever memory the engine keeps its cache in"),
    Alias("prompt_tokens_total", "argosy_prompt_tokens_total"),
    Alias("generation_tokens_total", "argosy_generation_tokens_total"),
    Alias("request_success_total", _REQUESTS, keep=_succeeded, note="status 2xx"),
    Alias("request_failure_total", _REQUESTS, keep=_failed, note="any other status, clients that left included"),
    Alias("request_finish_total", "argosy_generations_finished_total", _FINISHED),
    Alias("time_to_first_token_seconds", "argosy_time_to_first_token_seconds"),
    Alias("time_per_output_token_seconds", "argosy_inter_token_latency_seconds"),
    Alias("e2e_request_latency_seconds", _DURATION, keep=_ran),
    Alias("request_prompt_tokens", "argosy_request_prompt_tokens"),
    Alias("request_generation_tokens", "argosy_request_generation_tokens"),
    Alias("gpu_utilization", "nv_gpu_utilization", _DEVICE),
    Alias("gpu_power_usage_watts", "nv_gpu_power_usage", _DEVICE),
    Alias("gpu_memory_used_bytes", "nv_gpu_memory_used_bytes", _DEVICE),
    Alias("gpu_memory_total_bytes", "nv_gpu_memory_total_bytes", _DEVICE),
    # vLLM, both generations of its names.
    Alias("vllm:num_requests_running", _RUNNING),
    Alias("vllm:num_requests_waiting", _WAITING),
    Alias("vllm:kv_cache_usage_perc", _CACHE, combine=max),
    Alias("vllm:gpu_cache_usage_perc", _CACHE, combine=max),
    Alias("vllm:prompt_tokens_total", "argosy_prompt_tokens_total"),
    Alias("vllm:generation_tokens_total", "argosy_generation_tokens_total"),
    Alias("vllm:request_success_total", "argosy_generations_finished_total", _FINISHED),
    Alias("vllm:time_to_first_token_seconds", "argosy_time_to_first_token_seconds"),
    Alias("vllm:time_per_output_token_seconds", "argosy_inter_token_latency_seconds"),
    Alias("vllm:inter_token_latency_seconds", "argosy_inter_token_latency_seconds"),
    Alias("vllm:e2e_request_latency_seconds", _DURATION, keep=_ran),
    Alias("vllm:request_queue_time_seconds", "argosy_queue_duration_seconds"),
    Alias("vllm:request_prompt_tokens", "argosy_request_prompt_tokens"),
    Alias("vllm:request_generation_tokens", "argosy_request_generation_tokens"),
    # Names found in older deployment guides.
    Alias("nim_request_total", _REQUESTS, {**_MODEL, "status": "status"}, keep=_ran),
    Alias("nim_request_duration_seconds", _DURATION, keep=_ran),
    Alias("nim_tokens_generated_total", "argosy_generation_tokens_total"),
    Alias("nim_queue_size", _WAITING),
    Alias("nim_request_queue_size", _WAITING),
    Alias("nim_batch_size", "argosy_engine_running", note="sequences that the engine is working on together"),
    Alias("nim_kv_cache_utilization", _CACHE, combine=max),
    Alias("nim_gpu_memory_used_bytes", "nv_gpu_memory_used_bytes", _DEVICE),
    Alias("nim_gpu_memory_total_bytes", "nv_gpu_memory_total_bytes", _DEVICE),
)
"""The whole public list; `docs/metrics.md` is checked against it."""

_ON_THE_RUNTIMES_PAGE = frozenset(
    alias.source.encode() for alias in ALIASES if alias.source.startswith(("nv_", "argosy_engine_"))
)


def copies(metrics: Iterable[Metric]) -> Iterator[Metric]:
    """A metric for every alias whose source is among `metrics`, with the source's values."""
    sources = {_exposed_name(metric): metric for metric in metrics}
    for alias in ALIASES:
        source = sources.get(alias.source)
        if source is not None and (made := _copy(alias, source)).samples:
            yield made


def parse_sources(text: bytes) -> list[Metric]:
    """The metrics on the runtime's page that some alias copies; the rest of the page is not looked at."""
    lines = [line for line in text.splitlines() if _name(line) in _ON_THE_RUNTIMES_PAGE]
    return list(text_string_to_metric_families(b"\n".join([*lines, b""]).decode(errors="replace")))


def only_model(metrics: Iterable[Metric], model: str) -> Iterator[Metric]:
    """The metrics without the series of other models than `model`."""
    for metric in metrics:
        kept = [sample for sample in metric.samples if _named(sample.labels) in {None, model}]
        if kept:
            own = Metric(metric.name, metric.documentation, metric.type)
            own.samples = kept
            yield own


def only_model_text(text: bytes, model: str) -> bytes:
    """As `only_model`, for Prometheus text."""
    wanted = model.encode()
    lines = text.splitlines(keepends=True)
    return b"".join(line for line in lines if (match := _MODEL_LABEL.search(line)) is None or match[1] == wanted)


def _named(labels: Labels) -> str | None:
    return labels.get("model", labels.get("model_name"))


def _exposed_name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _name(line: bytes) -> bytes:
    if line.startswith(b"# "):
        parts = line.split(b" ", 3)
        return parts[2] if len(parts) > 2 else b""
    return re.split(rb"[{ ]", line, maxsplit=1)[0]


def _copy(alias: Alias, source: Metric) -> Metric:
    values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    renamed = {**alias.labels, "le": "le"}
    for sample in source.samples:
        if sample.labels.get("model") == "" or (alias.keep is not None and not alias.keep(sample.labels)):
            continue
        labels = tuple((renamed[name], value) for name, value in sample.labels.items() if name in renamed)
        values.setdefault((sample.name[len(source.name) :], labels), []).append(sample.value)
    made = Metric(alias.name.removesuffix("_total"), f"The same as {alias.source}.", source.type)
    for (suffix, labels), found in values.items():
        made.add_sample(made.name + suffix, dict(labels), alias.combine(found))
    return made


class Throughput:
    """Tokens produced per second by model, between two looks at the counter that are some seconds apart.

    A counter's rate belongs into a query; this gauge is for dashboards that cannot ask one.
    """

    NAME = "nim_tokens_per_second"
    _SECONDS = 5.0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._counted: dict[str, float] = {}
        self._rates: dict[str, float] = {}

    def look(self, metrics: Sequence[Metric]) -> Metric:
        """The gauge, from the newest counts."""
        now = self._clock()
        counted = _output_tokens(metrics)
        elapsed = now - self._since
        if elapsed >= self._SECONDS:
            self._rates = {
                model: max(0.0, tokens - self._counted.get(model, 0.0)) / elapsed for model, tokens in counted.items()
            }
            self._since, self._counted = now, counted
        made = Metric(self.NAME, "Tokens produced per second since an earlier scrape.", "gauge")
        for model in counted:
            made.add_sample(self.NAME, {"model_name": model}, self._rates.get(model, 0.0))
        return made


def _output_tokens(metrics: Sequence[Metric]) -> dict[str, float]:
    found = [metric for metric in metrics if metric.name == "argosy_generation_tokens"]
    return {sample.labels["model"]: sample.value for metric in found for sample in metric.samples}
