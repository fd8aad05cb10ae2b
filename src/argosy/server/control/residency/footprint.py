"""How much memory a model will take, before it is loaded."""

from __future__ import annotations

import logging
from pathlib import Path

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.runtime.model_config import read_message
from argosy.store.entries import CONFIG_FILE, ModelEntry

log = logging.getLogger(__name__)

_MIB = 1 << 20
_GIB = 1 << 30
_PROCESS = {
    "echo": 60 * _MIB,
    "openvino": 170 * _MIB,
    "openvino_genai": 240 * _MIB,
    "torch": 310 * _MIB,
    "vllm": 1320 * _MIB,
    # Triton itself runs these: what it grows by. TensorRT brings CUDA's own memory.
    "onnxruntime": 20 * _MIB,
    "tensorrt": 300 * _MIB,
}
_UNKNOWN_PROCESS = 500 * _MIB
_WEIGHT_SUFFIXES = frozenset({".bin", ".onnx", ".data", ".gguf", ".safetensors", ".plan", ".engine"})
_KV_ENGINES = frozenset({"openvino_genai", "vllm"})
_AS_ASKED = frozenset({"torch", "vllm"})
_NUMBER = {"f32": 4, "fp32": 4, "bf16": 2, "f16": 2, "fp16": 2}
"""Bytes of one number."""
_KV_PARAMETER = "kv_cache_gib"
_KV_DEFAULT_GIB = 1.0


def estimate(entry: ModelEntry, *, instances: int | None = None, kv_cache_gib: float | None = None) -> int:
    """Bytes that the processes of `entry` will take once it is loaded.

    Args:
        entry: its files are looked at; what cannot be read counts nothing.
        instances: model processes an operator wants for every model; None leaves it to the model's config.
        kv_cache_gib: the same for the KV cache of a language model.

    `instances x (process + factor x weights + KV cache)`, where

    * *process* is what the interpreter and the engine's libraries take before any weights, measured per engine;
    * *weights* is the size of the weight files of the newest version, links followed, since a link costs memory like
      a copy;
    * *factor* is 2 where an engine lays the weights out anew for its kernels and keeps the file mapped beside them,
      and 1 for engines that use the file as it is (GGUF's blocks are unpacked into the engine's own form: 2). Torch and
      vLLM keep every number in the precision they compute in: 2 where bf16 becomes f32, one half the other way;
    * *KV cache* is all the engine may ever fill. It grows with use, so that a measurement just after the load would
      not show it.

    Of a model on a GPU only the processes count: its weights and cache are in the GPU's memory, which no budget of the
    machine's is about.

    The estimate only has to be right enough to decide before a load; what is measured afterwards counts when it is
    more.
    """
    spec = entry.spec
    own_instances, own_gib = _configured(entry)
    cache = int((own_gib if kv_cache_gib is None else kv_cache_gib) * _GIB) if spec.engine in _KV_ENGINES else 0
    process = _PROCESS.get(spec.engine, _UNKNOWN_PROCESS)
    # One language model process works on many requests; only the others come in several instances.
    count = own_instances if instances is None or cache else instances
    if spec.source.get("device") == "gpu":
        return count * process
    return count * (process + int(_factor(spec) * weights(entry)) + cache)


def weights(entry: ModelEntry) -> int:
    """Bytes of the weight files of the newest version; files that disappear meanwhile count nothing."""
    return sum(_size(path) for path in entry.newest.rglob("*") if path.suffix in _WEIGHT_SUFFIXES)


def _factor(spec: ModelSpec) -> float:
    if spec.engine in _AS_ASKED:
        profile = spec.profile
        return _NUMBER.get(profile.precision, 4) / _NUMBER.get(profile.weights, 4)
    return 1.0 if spec.engine == "echo" else 2.0


def _configured(entry: ModelEntry) -> tuple[int, float]:
    """Model processes, and the GiB of the KV cache of each, as the model's own config has them."""
    try:
        message = read_message(entry.directory / CONFIG_FILE)
    except (InvalidModelEntry, OSError) as error:
        # The load itself will say so.
        log.debug("%s cannot be read for its memory: %s", entry.directory, error)
        return 1, _KV_DEFAULT_GIB
    instances = sum(group.count or 1 for group in message.instance_group) or 1
    given = message.parameters[_KV_PARAMETER].string_value if _KV_PARAMETER in message.parameters else ""
    try:
        return instances, float(given or _KV_DEFAULT_GIB)
    except ValueError:
        return instances, _KV_DEFAULT_GIB


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
