"""The space of a model on a machine: which settings are worth trying, and what they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from argosy.analysis import knobs
from argosy.analysis.space import Configuration, Space, Value
from argosy.core.errors import InvalidSetting
from argosy.core.models import ModelSpec, Task

GATEWAY_ROWS = 64
"""Rows that the gateway puts into one call of a text encoder; a smaller `max_batch_size` would refuse them."""

_PRECISIONS = ("f32", "bf16", "f16")
_QUEUE_DELAYS = (0, 500, 2000, 5000)
_MOST_INSTANCES = 4
_TEXT = frozenset({Task.EMBED, Task.RANK, Task.CLASSIFY})
_GIB = 1 << 30
_LARGEST_SPACE_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Machine:
    """What the space depends on.

    Attributes:
        processors: that can be kept busy.
        memory: bytes.
        precisions: those that the processor computes in, of `f32`, `bf16` and `f16`.
        engine_threads: what an engine gets when its config does not say.
        description: processor and memory in words, for the report.
    """

    processors: int
    memory: int
    precisions: tuple[str, ...]
    engine_threads: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and its config as it is.

    Attributes:
        config: Triton's `ModelConfig` message.
    """

    spec: ModelSpec
    config: Any
    machine: Machine


def derive(subject: Subject, precisions: Sequence[str] = ()) -> Space:
    """The space that suits the model's engine and task.

    Without `precisions` those are tried that the accuracy was measured in, the model's own, and finer ones.

    Raises:
        InvalidSetting: a precision is not known, or the machine lacks it.
    """
    _check_precisions(precisions, subject)
    values: dict[str, Sequence[Value]] = {}
    machine, batched = subject.machine, subject.config.max_batch_size > 0
    if subject.spec.task is Task.GENERATE:
        return Space.of(_generation(machine) if subject.spec.engine == "openvino_genai" else {}, machine.processors)
    if batched:
        values[knobs.MAX_BATCH_SIZE] = _batch_sizes(subject)
        values[knobs.QUEUE_DELAY] = _QUEUE_DELAYS
    values[knobs.INSTANCES] = _doubling(1, min(_MOST_INSTANCES, machine.processors))
    if subject.spec.engine == "openvino":
        values["threads"] = _doubling(1, machine.processors)
        values["streams"] = _doubling(1, machine.processors)
        values["precision"] = tuple(precisions) or _precisions(subject)
        values["cpu_pinning"] = ("true", "false")
    return Space.of(values, machine.processors)


def with_file(space: Space, path: Path, subject: Subject) -> Space:
    """The space with what a YAML or JSON file says: a list of values for each setting; an empty list drops it.

    Raises:
        InvalidSetting: the file cannot be read, or says something that the engine does not have.
    """
    values: dict[str, list[Value]] = space.to_mapping()
    for name, given in _read_file(path).items():
        knobs.check_name(name, subject.spec.engine)
        values[name] = _values(given, name, path)
    made = Space.of({name: given for name, given in values.items() if given}, space.processors)
    _check_batch_sizes(made, subject)
    return made


def current(space: Space, subject: Subject) -> Configuration:
    """What the model's config amounts to in the space's dimensions."""
    defaults = _defaults(subject)
    items: list[tuple[str, Value]] = []
    for dimension in space.dimensions:
        fallback = defaults.get(dimension.name, dimension.values[0])
        items.append((dimension.name, knobs.read(subject.config, dimension.name, fallback)))
    return Configuration(tuple(items))


def _generation(machine: Machine) -> Mapping[str, Sequence[Value]]:
    # The cache is taken at the start: a quarter of the memory leaves room for the weights and for everybody else.
    most = max(1, machine.memory // _GIB // 4)
    return {
        "max_num_seqs": (8, 16, 32, 64, 128),
        "max_num_batched_tokens": (128, 256, 512, 1024),
        "kv_cache_gib": [size for size in (1, 2, 4) if size <= most],
        "threads": _doubling(1, machine.processors),
    }


def _batch_sizes(subject: Subject) -> tuple[int, ...]:
    now = int(subject.config.max_batch_size)
    if subject.spec.task in _TEXT and subject.spec.engine != "echo":
        return tuple(sorted({64, 128, 256, max(now, GATEWAY_ROWS)}))
    return tuple(sorted({8, 16, 32, 64, now}))


def _check_batch_sizes(space: Space, subject: Subject) -> None:
    sizes = space.to_mapping().get(knobs.MAX_BATCH_SIZE, [])
    least = GATEWAY_ROWS if subject.spec.task in _TEXT and subject.spec.engine != "echo" else 1
    if subject.config.max_batch_size and any(not isinstance(size, int) or size < least for size in sizes):
        raise InvalidSetting(
            f"max_batch_size must be {least} or more for {subject.spec.name!r}"
            + (": the gateway sends that many rows in one call." if least > 1 else ".")
        )
    if sizes and not subject.config.max_batch_size:
        raise InvalidSetting(f"{subject.spec.name!r} has no batch dimension; leave max_batch_size out of the space.")


def _doubling(first: int, last: int) -> tuple[int, ...]:
    """1, 2, 4, … and the last."""
    values = [first]
    while values[-1] * 2 < last:
        values.append(values[-1] * 2)
    return tuple(sorted({*values, last}))


def _precisions(subject: Subject) -> tuple[str, ...]:
    """The model's own, finer ones, and those that its accuracy was measured in; as far as the machine has them."""
    own = subject.spec.profile.precision
    proven = {name for name in _PRECISIONS if name in subject.spec.accuracy}
    wanted = [name for name in _PRECISIONS if name in proven | {own, "f32"}]
    return tuple(name for name in wanted if name in subject.machine.precisions) or ("f32",)


def _check_precisions(precisions: Iterable[str], subject: Subject) -> None:
    for name in precisions:
        if name not in subject.machine.precisions:
            raise InvalidSetting(
                f"--precisions: {name!r} cannot be used here; this machine has {', '.join(subject.machine.precisions)}."
            )


def _defaults(subject: Subject) -> Mapping[str, Value]:
    """What the engines do when a config is silent; see their options."""
    threads = knobs.read(subject.config, "threads", subject.machine.engine_threads)
    count = threads if isinstance(threads, int) else 1
    own = subject.spec.profile.precision
    return {
        "threads": subject.machine.engine_threads,
        "streams": count if count <= 2 else (count + 1) // 2,
        "precision": own if own in subject.machine.precisions else "f32",
        "kv_cache_gib": 1,
        "max_num_seqs": 64,
        "max_num_batched_tokens": 256,
        "dynamic_split_fuse": "true",
        "enable_prefix_caching": "true",
        "cpu_pinning": "true",
        "slots": 64,
        "delay_ms": 0,
    }


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_SPACE_FILE:
            raise InvalidSetting(f"{path} is larger than 1 MiB; it should hold a few lists.")
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSetting(f"{path} cannot be read as YAML: {error}.") from error
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise InvalidSetting(f"{path} must hold a list of values for each setting, for example instances: [1, 2].")
    return data


def _values(given: Any, name: str, path: Path) -> list[Value]:
    if not isinstance(given, list):
        raise InvalidSetting(f"{path}: {name!r} must be a list.")
    values: list[Value] = []
    for value in given:
        if isinstance(value, bool):
            values.append(str(value).lower())
        elif isinstance(value, str) or (isinstance(value, int) and value >= 0):
            values.append(value)
        else:
            raise InvalidSetting(f"{path}: {name!r} has the value {value!r}; write whole numbers from 0, or words.")
    return values
