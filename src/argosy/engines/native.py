"""Engines that are Triton's own backends: libraries that an image brings, told what to do by `config.pbtxt` alone.

No process of Argosy's runs them and no class here stands for them. Their models are served by their tensors.

Sources: the READMEs of Triton's onnxruntime_backend and tensorrt_backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from argosy.engines.deployment import TRITON_OPTIONS, DeploymentOption


@dataclass(frozen=True, slots=True)
class NativeEngine:
    """One of Triton's own backends.

    Attributes:
        name: of the engine, and of Triton's backend.
        file: what the backend opens in the version folder unless the config names another file.
        needs_gpu: whether it runs on nothing else.
        threads: parameter of the config for the processor threads of one instance; empty when it has none.
        options: what an operator may say of how it runs models.
    """

    name: str
    file: str
    needs_gpu: bool = False
    threads: str = ""
    options: frozenset[DeploymentOption] = TRITON_OPTIONS

    @property
    def library(self) -> str:
        """File name of the backend, in the folder of its name."""
        return f"libtriton_{self.name}.so"


NATIVE: Mapping[str, NativeEngine] = {
    engine.name: engine
    for engine in (
        NativeEngine("onnxruntime", "model.onnx", threads="intra_op_thread_count"),
        NativeEngine("tensorrt", "model.plan", needs_gpu=True),
    )
}

REMEDY = (
    "Name a tritonserver that has it in TRITONSERVER_BIN, such as /opt/tritonserver/bin/tritonserver of NVIDIA's image "
    "nvcr.io/nvidia/tritonserver"
)
"""What brings a backend that is missing."""


def backend_of(engine: str) -> str:
    """Name of the Triton backend that runs an engine's models."""
    return engine if engine in NATIVE else f"argosy_{engine}"
