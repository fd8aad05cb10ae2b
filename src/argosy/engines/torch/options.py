"""The engine's options, from the entry's profile and the parameters of a deployment's `config.pbtxt`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.engines.contract import EngineOptions
from argosy.engines.parameters import one_of, read, switch

PRECISIONS = ("bf16", "f16", "f32")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
_WARM_UP_SECONDS = 1.5
_MOST_STREAMS = 8
"""Python starts every operation of every stream, one at a time; more would wait for it."""


@dataclass(frozen=True, slots=True)
class TorchOptions:
    """How a model runs.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, or `auto`: the first GPU that torch sees, else the processor.
        precision: arithmetic asked for, one of `PRECISIONS`; `f32` where the device lacks it.
        threads: processor threads in all.
        streams: batches that a processor computes side by side, each with its share of the threads.
        warm_up: seconds that common shapes are run for at the start, on a processor.
        cuda_graphs: replay what was captured at the start, on a GPU.
    """

    device: str = "auto"
    precision: str = "f32"
    threads: int = 1
    streams: int = 1
    warm_up: float = _WARM_UP_SECONDS
    cuda_graphs: bool = True

    @classmethod
    def of(cls, spec: ModelSpec, options: EngineOptions) -> TorchOptions:
        """The deployment's choice, else the entry's profile.

        Parameters read: `device`, `precision`, `streams`, `performance_mode`, `warm_up`, `cuda_graphs`.

        Raises:
            InvalidModelEntry: a parameter has a value that cannot be used.
        """
        precision = options.parameters.get("precision", spec.profile.precision)
        if precision not in PRECISIONS:
            raise InvalidModelEntry(f"Precision {precision!r} is not known; use one of {', '.join(PRECISIONS)}.")
        given = options.parameters
        return cls(
            device=read("device", given.get("device") or "auto", _device),
            precision=precision,
            threads=options.threads,
            streams=_streams(options),
            warm_up=read("warm_up", given.get("warm_up") or str(_WARM_UP_SECONDS), _seconds),
            cuda_graphs=read("cuda_graphs", given.get("cuda_graphs") or "true", switch),
        )


def _streams(options: EngineOptions) -> int:
    """One thread a stream on small machines, more on larger ones.

    The threads of one batch wait for one another at every operation. Measured on MiniLM with two threads, two streams
    are 1.2 times as fast as one with both, and 5 times where other processes want the processors too.
    """
    most = options.threads
    if text := options.parameters.get("streams", ""):
        return read("streams", text, partial(_count, most))
    usual = most if most <= 2 else (most + 1) // 2
    by_mode = {"": min(usual, _MOST_STREAMS), "latency": 1, "throughput": min(most, _MOST_STREAMS)}
    mode = options.parameters.get("performance_mode", "")
    return by_mode[read("performance_mode", mode, one_of(("latency", "throughput"))) if mode else mode]


def _device(text: str) -> str:
    if _DEVICE.fullmatch(text) is None:
        raise ValueError("write 'auto', 'cpu', 'cuda' or 'cuda:<number>'")
    return text


def _count(most: int, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise ValueError(f"write a number from 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError("write a number of seconds")
    return seconds
