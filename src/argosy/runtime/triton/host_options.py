"""What a host needs from Triton's model configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.engines.contract import EngineOptions


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The parts of `config.pbtxt` that matter inside the stub.

    Attributes:
        inputs: names of the input tensors.
        outputs: names of the output tensors.
        parameters: `parameters { key, value.string_value }`, string to string.
    """

    max_batch_size: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[str, str]


def read_config(config: Mapping[str, Any]) -> HostConfig:
    """Read the configuration that Triton passes to `initialize`, decoded from JSON."""
    return HostConfig(
        max_batch_size=int(config.get("max_batch_size", 0)),
        inputs=tuple(tensor["name"] for tensor in config.get("input", ())),
        outputs=tuple(tensor["name"] for tensor in config.get("output", ())),
        parameters={name: value["string_value"] for name, value in config.get("parameters", {}).items()},
    )


def engine_options(config: HostConfig, directory: Path) -> EngineOptions:
    """The engine's options; without a `threads` parameter it may use every processor this process may run on.

    Raises:
        InvalidModelEntry: `threads` is not a whole number from 1 on.
    """
    text = config.parameters.get("threads", "")
    if text and (not text.isdecimal() or int(text) < 1):
        raise InvalidModelEntry(f"The parameter 'threads' of config.pbtxt is {text!r}; write a whole number from 1.")
    return EngineOptions(
        directory=directory,
        threads=int(text) if text else len(os.sched_getaffinity(0)),
        max_batch_size=config.max_batch_size,
        parameters=config.parameters,
    )
