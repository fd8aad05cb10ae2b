"""Which settings of a model there are, how a config says them, and how another value is written into it.

Source of the fields: Triton's `model_config.proto`. Everything else is a string parameter that the engine's host
reads (`argosy.engines.*`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from argosy.analysis.space import Configuration, Value
from argosy.core.errors import InvalidSetting

MAX_BATCH_SIZE = "max_batch_size"
QUEUE_DELAY = "queue_delay_us"
PREFERRED_SIZES = "preferred_batch_sizes"
INSTANCES = "instances"

_PARAMETERS: Mapping[str, frozenset[str]] = {
    "openvino": frozenset({"threads", "streams", "precision", "quantization_group", "cpu_pinning"}),
    "openvino_genai": frozenset(
        {
            *("threads", "kv_cache_gib", "max_num_seqs", "max_num_batched_tokens", "dynamic_split_fuse"),
            *("enable_prefix_caching", "kv_cache_precision"),
        }
    ),
    "echo": frozenset({"delay_ms", "slots"}),
}
_MEANINGS: Mapping[str, str] = {
    MAX_BATCH_SIZE: "rows that Triton gathers for one execution",
    QUEUE_DELAY: "microseconds that a request waits for company",
    PREFERRED_SIZES: "batch sizes that are sent off at once",
    INSTANCES: "processes that each hold the model",
    "threads": "processor threads of each instance",
    "streams": "executions side by side within an instance",
    "precision": "arithmetic",
    "quantization_group": "activations rounded together",
    "cpu_pinning": "threads stay on one processor",
    "kv_cache_gib": "GiB for the KV cache",
    "max_num_seqs": "generations in one forward pass",
    "max_num_batched_tokens": "tokens in one forward pass",
}


def meaning(name: str) -> str:
    """A setting in words, empty for those that speak for themselves."""
    return _MEANINGS.get(name, "")


def check_name(name: str, engine: str) -> None:
    """Refuse a setting that the engine does not read.

    Raises:
        InvalidSetting: the message lists those there are.
    """
    known = {MAX_BATCH_SIZE, QUEUE_DELAY, PREFERRED_SIZES, INSTANCES} | _PARAMETERS.get(engine, frozenset())
    if name not in known:
        raise InvalidSetting(f"{name!r} is no setting of the engine {engine}; there are {', '.join(sorted(known))}.")


def read(message: Any, name: str, default: Value) -> Value:
    """What a config (Triton's `ModelConfig` message) says of a setting.

    `default` is what holds when the config is silent; its type is the type of the answer.
    """
    if name in _READERS:
        return _READERS[name](message)
    text = message.parameters[name].string_value if name in message.parameters else ""
    if not text:
        return default
    return int(text) if isinstance(default, int) and text.isdecimal() else text


def write(message: Any, configuration: Configuration) -> None:
    """Put every value of `configuration` into a config, in place."""
    for name, value in configuration.items:
        if name in _WRITERS:
            _WRITERS[name](message, value)
        else:
            message.parameters[name].string_value = str(value)
    if not message.max_batch_size:
        # Triton refuses a batcher for a model without a batch dimension.
        message.ClearField("dynamic_batching")


def _instances(message: Any) -> int:
    return sum(group.count or 1 for group in message.instance_group) or 1


def _write_instances(message: Any, value: Value) -> None:
    # The kind stays; several groups become one, as they did the same.
    if not message.instance_group:
        message.instance_group.add(kind="KIND_CPU")
    del message.instance_group[1:]
    message.instance_group[0].count = int(value)


def _write_batch(message: Any, value: Value) -> None:
    message.max_batch_size = int(value)


def _write_delay(message: Any, value: Value) -> None:
    # The batcher exists once it is touched, also with a delay of 0.
    message.dynamic_batching.SetInParent()
    message.dynamic_batching.max_queue_delay_microseconds = int(value)


def _write_preferred(message: Any, value: Value) -> None:
    message.dynamic_batching.SetInParent()
    del message.dynamic_batching.preferred_batch_size[:]
    message.dynamic_batching.preferred_batch_size.extend(int(size) for size in str(value).split(",") if size.strip())


_READERS: Mapping[str, Callable[[Any], Value]] = {
    MAX_BATCH_SIZE: lambda message: int(message.max_batch_size),
    QUEUE_DELAY: lambda message: int(message.dynamic_batching.max_queue_delay_microseconds),
    PREFERRED_SIZES: lambda message: ",".join(map(str, message.dynamic_batching.preferred_batch_size)),
    INSTANCES: _instances,
}
_WRITERS: Mapping[str, Callable[[Any, Value], None]] = {
    MAX_BATCH_SIZE: _write_batch,
    QUEUE_DELAY: _write_delay,
    PREFERRED_SIZES: _write_preferred,
    INSTANCES: _write_instances,
}
