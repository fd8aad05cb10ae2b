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
        build: what has to be done first with a model that is not in the engine's own form.
    """

    package: str = ""
    backend: str = ""
    remedy: str = ""
    build: str = ""


_CONVERT = "it has to be converted first: argosy convert MODEL"
_NETWORK = "it has to be built first, and takes tensors, not texts: argosy convert NETWORK.onnx --engine {}"
_IMAGE = "name a tritonserver with that backend in TRITONSERVER_BIN (NVIDIA's images nvcr.io/nvidia/tritonserver)"

KINDS: Mapping[str, EngineKind] = {
    "tensorrt_llm": EngineKind("tensorrt_llm", remedy="name an environment that has it in ARGOSY_TENSORRT_LLM_PYTHON"),
    "vllm": EngineKind("vllm", remedy="uv pip install --override requirements/vllm-overrides.txt '.[vllm]'"),
    "openvino_genai": EngineKind(
        "openvino_genai", remedy="pip install openvino-genai openvino-tokenizers", build=_CONVERT
    ),
    "tensorrt": EngineKind(backend="tensorrt", remedy=_IMAGE, build=_NETWORK.format("tensorrt")),
    "onnxruntime": EngineKind(backend="onnxruntime", remedy=_IMAGE, build=_NETWORK.format("onnxruntime")),
    "torch": EngineKind("torch", remedy="pip install 'argosy[torch]'"),
    "openvino": EngineKind("openvino", remedy="pip install openvino", build=_CONVERT),
    # Ours, and always there.
    "echo": EngineKind(),
}

VLLM_FOR_CPU = "make engines-environment"
"""Makes an environment with the build of vLLM for processors, which takes the place of the one for GPUs."""

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
CHECKPOINT_ENGINES = frozenset({"tensorrt_llm", "vllm", "torch"})
"""Engines that are given a checkpoint as it was published."""

_RANKS = {pair: rank for rank, pair in enumerate(_ORDER)}


def rank(engine: str, device: Device) -> int:
    """The engine's place in the order of preference; strangers come last."""
    return _RANKS.get((engine, device), len(_ORDER))
