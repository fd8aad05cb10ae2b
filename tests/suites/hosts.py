"""Machines: those described in `tests/data/hosts`, and any number of others for property tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from argosy.server.probe.gpus import Gpu, Slice
from argosy.server.probe.host import Host, read_host
from argosy.server.probe.software import Engine
from argosy.server.probe.triton import Triton

DATA = Path(__file__).parents[1] / "data"
GIB = 1 << 30

DESCRIBED = ("h100", "t4", "laptop-8gb", "arm-no-avx", "this-machine")
"""Names of the described machines, as the documentation lists them."""

BARE = Host(
    architecture="x86_64",
    cpu_vendor="",
    cpu_model="",
    features=frozenset({"avx2", "bf16"}),
    processors=8,
    quota=None,
    memory=64 * GIB,
    shared_memory=8 * GIB,
    python="",
    numpy="",
    openvino="",
)
"""A machine with nothing installed."""

OPENVINO = (Engine("openvino", "2026.4.1", ("cpu",)), Engine("openvino_genai", "2026.4.1", ("cpu",)))
CUDA = (Engine("vllm", "0.21.0", ("cuda",)), Engine("tensorrt_llm", "1.2.0", ("cuda",)))


def described(name: str) -> Host:
    """A described machine."""
    return read_host(DATA / "hosts" / f"{name}.json")


def gpu(memory: float, *, name: str = "NVIDIA L40S", capability: tuple[int, int] = (8, 9), index: int = 0) -> Gpu:
    """A GPU nobody uses, with `memory` GiB."""
    size = int(memory * GIB)
    return Gpu(index, name, "26b9:10de", size, size, 0, capability)


def with_gpus(*gpus: Gpu, host: Host = BARE) -> Host:
    """`host` with these GPUs and every engine that runs on them."""
    numbered = tuple(replace(item, index=index) for index, item in enumerate(gpus))
    triton = Triton("2.73.0", "binary", ("onnxruntime", "python", "tensorrt"))
    return replace(host, gpus=numbered, engines=(*OPENVINO, *CUDA), triton=triton)


_ENGINES = st.sampled_from(
    [
        *OPENVINO,
        *CUDA,
        Engine("vllm", "0.21.0+cpu", ("cpu",)),
        Engine("torch", "2.13.0", ("cpu",)),
        Engine("torch", "2.13.0", ("cpu", "cuda")),
        Engine("onnxruntime", "1.23.0", ("cpu",)),
    ]
)
_BACKENDS = ("onnxruntime", "python", "tensorrt")
_NAMES = st.sampled_from(["Tesla T4", "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB", "NVIDIA GeForce RTX 4090"])


@st.composite
def _gpus(draw: st.DrawFn) -> Gpu:
    memory = draw(st.sampled_from([0, *(size * GIB for size in (4, 8, 24, 40, 80, 80, 141, 141))]))
    free = memory if draw(st.sampled_from([True, True, False])) else draw(st.integers(0, memory))
    mig = draw(st.sampled_from([False, False, False, True]))
    size = draw(st.integers(1, 20 * GIB))
    slices = tuple(Slice("MIG 1g", size, size) for _ in range(draw(st.integers(0, 3)))) if mig else ()
    capability = draw(st.sampled_from([None, (6, 1), (7, 5), (8, 0), (9, 0), (9, 0), (10, 0)]))
    return Gpu(0, draw(_NAMES), "1eb8:10de", memory, free, None, capability, mig=mig, slices=slices)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """Any machine: from none of everything to eight GPUs."""
    # Machines on which something can run are the interesting ones, and chance alone seldom makes them.
    equipped = draw(st.booleans())
    found = [replace(item, index=index) for index, item in enumerate(draw(st.lists(_gpus(), max_size=8)))]
    chosen = [*OPENVINO, *CUDA] if equipped else draw(st.lists(_ENGINES, max_size=6))
    engines = {engine.name: engine for engine in chosen}
    backends = _BACKENDS if equipped else tuple(sorted(draw(st.sets(st.sampled_from(_BACKENDS)))))
    triton = Triton("2.51.0", "wheel", backends) if equipped or draw(st.booleans()) else None
    features = draw(st.frozensets(st.sampled_from(["avx2", "avx512", "bf16", "vnni", "amx", "neon"])))
    return replace(
        BARE,
        features=features,
        memory=draw(st.integers(1 << 20, 4096 * GIB)),
        gpus=tuple(found),
        engines=tuple(engines.values()),
        triton=triton,
    )
