"""From the settings to what each engine is told, and what an engine cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.engines.deployment import GENERATION_ONLY, NEUTRAL, TRITON_OPTIONS, DeploymentOption, Lengths
from argosy.engines.registry import deployment_options
from argosy.engines.tensorrt_llm.options import WORKER_PYTHON
from argosy.runtime.model_config import read_config
from argosy.runtime.triton.overrides import ConfigOverrides
from argosy.settings import Loaded, Settings
from argosy.store.entries import CONFIG_FILE, ModelEntry

_LENGTHS = frozenset(
    {DeploymentOption.MAX_MODEL_LEN, DeploymentOption.MAX_INPUT_LENGTH, DeploymentOption.MAX_OUTPUT_LENGTH}
)

_TAGS: Mapping[str, DeploymentOption] = {
    "tp": DeploymentOption.TENSOR_PARALLEL_SIZE,
    "pp": DeploymentOption.PIPELINE_PARALLEL_SIZE,
}
"""Tags of a profile that say how its engine runs."""

_REMEDIES: Mapping[DeploymentOption, str] = {
    DeploymentOption.QUANTIZATION: " Its weights are quantised when a model is converted.",
    DeploymentOption.GPU_MEMORY_UTILIZATION: " Its memory is bounded by --kv-cache-gib and --memory-budget.",
}
"""What to do instead, where there is something."""

_ON_REMOTE = {True: "is what clients are told, and is not held by", False: "has no effect on"}
"""Lengths are the gateway's as well as the engine's."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the operator said of an option.

    Attributes:
        setting: the name of the setting.
        value: as a parameter's text.
    """

    setting: str
    value: str


def lengths(settings: Settings) -> Lengths:
    """The operator's limits of inputs and answers."""
    return Lengths(settings.max_model_len, settings.max_input_length, settings.max_output_length)


def overriding(
    settings: Settings, threads: int, tags: Mapping[str, Mapping[str, str]] | None = None
) -> Callable[[ModelEntry], ConfigOverrides]:
    """What wins over the config of a model.

    Args:
        settings: what the operator says.
        threads: processor threads of an engine, divided among its instances.
        tags: of each model's profile, by its name; they speak where the operator does not.
    """
    said = _said(settings)
    profiles = tags or {}

    def overrides(entry: ModelEntry) -> ConfigOverrides:
        options = deployment_options(entry.spec.engine)
        values = _of_profile(profiles.get(entry.name, {})) | {option: item.value for option, item in said.items()}
        taken = {option: value for option, value in values.items() if option in options}
        if entry.spec.task is Task.GENERATE:
            return ConfigOverrides(_generation_parameters(taken) | _interpreter(settings, entry.spec.engine))
        parameters = {str(option): value for option, value in taken.items() if option not in TRITON_OPTIONS}
        if (instances := _number(taken, DeploymentOption.INSTANCES)) is not None:
            parameters["threads"] = str(max(1, threads // instances))
        return ConfigOverrides(
            parameters,
            _number(taken, DeploymentOption.MAX_BATCH_SIZE),
            _number(taken, DeploymentOption.MAX_QUEUE_DELAY),
            instances,
        )

    return overrides


def without_effect(loaded: Loaded, entries: Sequence[ModelEntry]) -> tuple[str, ...]:
    """What the operator says and the engines of the models served cannot do, a sentence each."""
    settings = loaded.settings
    said = _said(settings)
    if settings.triton_url:
        where = "a Triton that somebody else runs; set it there too."
        return tuple(
            f"{_named(item, loaded)} {_ON_REMOTE[option in _LENGTHS]} {where}" for option, item in said.items()
        )
    sentences = []
    for option, item in said.items():
        lacking = _lacking(option, item.value, [entry.spec for entry in entries])
        if lacking:
            remedy = _REMEDIES.get(option, "")
            sentences.append(f"{_named(item, loaded)} has no effect on {', '.join(lacking)}.{remedy}")
    return (*sentences, *_too_long(loaded, entries), *_unbatched(loaded, entries))


def _said(settings: Settings) -> dict[DeploymentOption, _Said]:
    """The options that somebody set."""
    values: dict[DeploymentOption, tuple[str, object]] = {
        DeploymentOption.MAX_MODEL_LEN: ("max_model_len", settings.max_model_len),
        DeploymentOption.MAX_INPUT_LENGTH: ("max_input_length", settings.max_input_length),
        DeploymentOption.MAX_OUTPUT_LENGTH: ("max_output_length", settings.max_output_length),
        DeploymentOption.MAX_BATCH_SIZE: ("max_batch_size", settings.max_batch_size),
        DeploymentOption.MAX_NUM_SEQS: ("max_num_seqs", settings.max_num_seqs),
        DeploymentOption.MAX_NUM_BATCHED_TOKENS: ("max_num_batched_tokens", settings.max_num_batched_tokens),
        DeploymentOption.MAX_QUEUE_DELAY: ("max_queue_delay", settings.max_queue_delay),
        DeploymentOption.INSTANCES: ("instances", settings.instances),
        DeploymentOption.PERFORMANCE_MODE: ("performance_mode", settings.performance_mode),
        DeploymentOption.TENSOR_PARALLEL_SIZE: ("tensor_parallel_size", settings.tensor_parallel_size),
        DeploymentOption.PIPELINE_PARALLEL_SIZE: ("pipeline_parallel_size", settings.pipeline_parallel_size),
        DeploymentOption.GPU_MEMORY_UTILIZATION: ("gpu_memory_utilization", settings.gpu_memory_utilization),
        DeploymentOption.KV_CACHE_GIB: ("kv_cache_gib", settings.kv_cache_gib),
        DeploymentOption.KV_CACHE_PRECISION: ("kv_cache_precision", settings.kv_cache_precision),
        DeploymentOption.KV_CACHE_REUSE: ("kv_cache_reuse", settings.kv_cache_reuse),
        DeploymentOption.KV_CACHE_HOST_OFFLOAD: ("kv_cache_host_offload", settings.kv_cache_host_offload),
        DeploymentOption.KV_CACHE_HOST_MEMORY_FRACTION: (
            "kv_cache_host_memory_fraction",
            settings.kv_cache_host_memory_fraction,
        ),
        DeploymentOption.QUANTIZATION: ("quantization", settings.quantization),
        DeploymentOption.QUANTIZATION_GROUP: ("quantization_group", settings.quantization_group),
        DeploymentOption.CHUNKED_PREFILL: ("chunked_prefill", settings.chunked_prefill),
        DeploymentOption.SCHEDULING_POLICY: ("scheduling_policy", settings.scheduling_policy),
    }
    return {option: _Said(name, _text(value)) for option, (name, value) in values.items() if value is not None}


def _of_profile(tags: Mapping[str, str]) -> dict[DeploymentOption, str]:
    return {option: tags[tag] for tag, option in _TAGS.items() if tag in tags}


def _interpreter(settings: Settings, engine: str) -> dict[str, str]:
    if engine != "tensorrt_llm" or settings.tensorrt_llm_python is None:
        return {}
    return {WORKER_PYTHON: str(settings.tensorrt_llm_python.absolute())}


def _generation_parameters(taken: Mapping[DeploymentOption, str]) -> dict[str, str]:
    """An answer is a row of a language model's batch, so the smaller of both limits counts."""
    parameters = {str(option): value for option, value in taken.items() if option not in TRITON_OPTIONS}
    limits = [
        int(taken[option])
        for option in (DeploymentOption.MAX_BATCH_SIZE, DeploymentOption.MAX_NUM_SEQS)
        if option in taken
    ]
    if limits:
        parameters[DeploymentOption.MAX_NUM_SEQS] = str(min(limits))
    return parameters


def _lacking(option: DeploymentOption, value: str, specs: Sequence[ModelSpec]) -> list[str]:
    """The engines that are meant and lack the option."""
    if NEUTRAL.get(option) == value:
        return []
    meant = [spec for spec in specs if spec.task is Task.GENERATE] if option in GENERATION_ONLY else specs
    return sorted({spec.engine for spec in meant or specs if not _has(spec, option, value)})


def _has(spec: ModelSpec, option: DeploymentOption, value: str) -> bool:
    if option is DeploymentOption.QUANTIZATION and spec.profile.weights == value:
        return True
    return option in deployment_options(spec.engine)


def _too_long(loaded: Loaded, entries: Iterable[ModelEntry]) -> list[str]:
    asked = loaded.settings.max_model_len
    if asked is None:
        return []
    own = {entry.name: _longest(entry.spec) for entry in entries}
    return [
        f"max_model_len ({loaded.origins['max_model_len']}) is {asked}; {name} keeps its own {length} tokens."
        for name, length in own.items()
        if 0 < length < asked
    ]


def _longest(spec: ModelSpec) -> int:
    if spec.generate is not None:
        return spec.generate.context_length
    return spec.text.max_tokens if spec.text is not None else 0


def _unbatched(loaded: Loaded, entries: Iterable[ModelEntry]) -> list[str]:
    origin = loaded.origins["max_batch_size"]
    if loaded.settings.max_batch_size is None:
        return []
    return [
        f"max_batch_size ({origin}) has no effect on {entry.name}, whose network has no batch dimension."
        for entry in entries
        if entry.spec.task is Task.TENSOR and _single(entry)
    ]


def _single(entry: ModelEntry) -> bool:
    try:
        return read_config(entry.directory / CONFIG_FILE).max_batch_size == 0
    except InvalidModelEntry:
        # Triton says what is wrong with it when the model is loaded.
        return False


def _named(item: _Said, loaded: Loaded) -> str:
    return f"{item.setting}={item.value} ({loaded.origins[item.setting]})"


def _number(taken: Mapping[DeploymentOption, str], option: DeploymentOption) -> int | None:
    return int(taken[option]) if option in taken else None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
