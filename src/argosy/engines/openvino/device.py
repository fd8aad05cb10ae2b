"""Read a network and compile it for this machine."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.engines.contract import EngineOptions

_log = logging.getLogger(__name__)

_LOCK_SECONDS = 15.0
_LOCK_POLL = 0.02

_CAPABILITY = {"bf16": "BF16", "f16": "FP16", "f32": "FP32"}
"""What the device must be able to do for a precision, as OpenVINO's OPTIMIZATION_CAPABILITIES names it."""


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """How a network is compiled.

    Attributes:
        precision: arithmetic asked for; `f32` where the device lacks it.
        threads: most processor threads in all.
        streams: executions that run side by side; each gets an equal share of the threads.
        cache_directory: where compiled networks are kept for the next start; empty means nowhere.
        quantization_group: with int8 weights OpenVINO also rounds activations to int8, in groups of this many; 0 keeps
            them in `precision`; None leaves OpenVINO's choice (32). Measured on MiniLM with 32 / 64 / 128: relative
            speed 1 / 1.14 / 1.24, cosine to fp32 0.99944 / 0.99925 / 0.99895.
        cpu_pinning: keep each stream's threads on processors of their own, counted from the first; None leaves
            OpenVINO's choice (on). Processes do not know of one another: several pin theirs to the same ones.
    """

    device: str = "CPU"
    precision: str = "f32"
    threads: int = 1
    streams: int = 1
    cache_directory: str = ""
    quantization_group: int | None = None
    cpu_pinning: bool | None = None

    @classmethod
    def of(cls, spec: ModelSpec, options: EngineOptions) -> DeviceOptions:
        """The deployment's choice, else the entry's profile.

        Parameters read: `device`, `precision`, `streams`, `performance_mode`, `cache_dir`, `quantization_group`,
        `cpu_pinning`.

        Raises:
            InvalidModelEntry: a parameter has a value that cannot be used.
        """
        precision = options.parameters.get("precision", spec.profile.precision)
        if precision not in _CAPABILITY:
            raise InvalidModelEntry(f"Precision {precision!r} is not known; use one of {', '.join(_CAPABILITY)}.")
        return cls(
            device=options.parameters.get("device", "CPU"),
            precision=precision,
            threads=options.threads,
            streams=_streams(options),
            cache_directory=options.parameters.get("cache_dir", ""),
            quantization_group=_quantization_group(options),
            cpu_pinning=_cpu_pinning(options),
        )


def _streams(options: EngineOptions) -> int:
    """One thread a stream on small machines, two on larger ones.

    Streams scale better than threads within one execution, which wait for one another at every layer: on two busy
    cores a single short text is as fast on one thread as on two, and batches are up to four times as fast. Asked for
    latency there is one stream with every thread, asked for throughput one for each.
    """
    text = options.parameters.get("streams", "")
    if not text:
        usual = options.threads if options.threads <= 2 else (options.threads + 1) // 2
        return _streams_for(options.parameters.get("performance_mode", ""), options.threads, usual)
    if not text.isdecimal() or not 1 <= int(text) <= options.threads:
        raise InvalidModelEntry(f"The parameter 'streams' is {text!r}; write a number from 1 to {options.threads}.")
    return int(text)


def _streams_for(mode: str, threads: int, usual: int) -> int:
    by_mode = {"": usual, "latency": 1, "throughput": threads}
    if mode not in by_mode:
        raise InvalidModelEntry(f"The parameter 'performance_mode' is {mode!r}; write 'latency' or 'throughput'.")
    return by_mode[mode]


def _quantization_group(options: EngineOptions) -> int | None:
    text = options.parameters.get("quantization_group", "")
    if text and not text.isdecimal():
        raise InvalidModelEntry(f"The parameter 'quantization_group' is {text!r}; write a whole number, 0 for none.")
    return int(text) if text else None


def _cpu_pinning(options: EngineOptions) -> bool | None:
    text = options.parameters.get("cpu_pinning", "")
    if text not in {"", "true", "false"}:
        raise InvalidModelEntry(f"The parameter 'cpu_pinning' is {text!r}; write 'true' or 'false'.")
    return text == "true" if text else None


def read_network(core: Any, directory: Path, file: str) -> Any:
    """The network in `directory / file`: OpenVINO IR, ONNX, or a TensorFlow SavedModel folder.

    Raises:
        InvalidModelEntry: the file is missing or is not a network; the message names it.
    """
    path = directory / file
    if not path.exists():
        raise InvalidModelEntry(f"The model file {path} does not exist. Restore it, or correct 'model' in argosy.yaml.")
    weights = path.with_suffix(".bin")
    if path.suffix == ".xml" and not weights.exists():
        raise InvalidModelEntry(f"The weights file {weights} does not exist; an OpenVINO IR is two files.")
    try:
        return core.read_model(path)
    except RuntimeError as error:
        raise InvalidModelEntry(f"The model file {path} cannot be read: {_first_line(error)}") from error


def compile_network(core: Any, network: Any, options: DeviceOptions, name: str) -> Any:
    """Compile for the device, as fast as its capabilities allow.

    Raises:
        InvalidModelEntry: the device cannot run the network.
    """
    try:
        with _cache(options, name) as cache:
            return core.compile_model(network, options.device, _properties(core, options) | cache)
    except RuntimeError as error:
        reason = _first_line(error)
        raise InvalidModelEntry(f"OpenVINO cannot run {name!r} on the device {options.device!r}: {reason}") from error


def supported_precision(core: Any, options: DeviceOptions) -> str:
    """The precision asked for, or `f32` where the device would only emulate it."""
    capabilities = core.get_property(options.device, "OPTIMIZATION_CAPABILITIES")
    if _CAPABILITY[options.precision] in capabilities:
        return options.precision
    _log.warning("%s lacks %s arithmetic; using f32", options.device, options.precision)
    return "f32"


def _properties(core: Any, options: DeviceOptions) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": "THROUGHPUT" if options.streams > 1 else "LATENCY",
        "INFERENCE_PRECISION_HINT": supported_precision(core, options),
        "INFERENCE_NUM_THREADS": options.threads,
        "NUM_STREAMS": options.streams,
    }
    if options.quantization_group is not None:
        properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = options.quantization_group
    if options.cpu_pinning is not None:
        properties["ENABLE_CPU_PINNING"] = options.cpu_pinning
    return properties


@contextmanager
def _cache(options: DeviceOptions, name: str) -> Iterator[dict[str, Any]]:
    """The property that names the model's own cache folder, held alone while in use.

    OpenVINO 2026.4 writes a compiled network in place: a process that reads it meanwhile crashes. Two models with equal
    networks would share a file, as an embedder and a re-ranker on one encoder do, and they load at the same time.
    Who cannot have the folder soon does without it: to compile anew takes seconds, and its holder may be stopped.
    """
    if not options.cache_directory:
        yield {}
        return
    folder = Path(options.cache_directory) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        _log.warning("The cache folder %s cannot be used (%s); the network is compiled at every start.", folder, error)
        yield {}
        return
    try:
        if _acquired(lock):
            yield {"CACHE_DIR": str(folder)}
        else:
            _log.warning("Another process holds the cache folder %s; the network is compiled without it.", folder)
            yield {}
    finally:
        os.close(lock)


def _acquired(lock: int) -> bool:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_LOCK_POLL)
        else:
            return True


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
