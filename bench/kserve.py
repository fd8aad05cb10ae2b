"""What the gateway adds to a tensor on its way to Triton and back, with an engine that returns it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from tritonclient import grpc, http

from argosy.core.models import ModelSpec, Task
from argosy.server.artifacts import spec_file, triton_config
from argosy.server.artifacts.triton_config import Tensor
from argosy.store.entries import CONFIG_FILE, SPEC_FILE
from bench.context import Context
from bench.embeddings import in_turn
from bench.figures import middle, neighbour_differences, spread
from bench.measurement import Measurement
from bench.served import HOST, Served, free_port, serve

MODEL = "mirror"
SHAPES = {"64 B": (1, 16), "588 KiB": (1, 3, 224, 224)}
_MOST_CALLS = 5_000

Call = Callable[[], object]


def measure(context: Context) -> list[Measurement]:
    """Added latency of KServe REST with binary tensors and of KServe gRPC, for a small and a large tensor."""
    store = context.directory / "mirror-store"
    entry = store / MODEL
    (entry / "1").mkdir(parents=True)
    spec = ModelSpec(MODEL, Task.TENSOR, "echo", model="", license="Apache-2.0")
    tensor = (Tensor("x", "FP32", (-1,)),)
    (entry / SPEC_FILE).write_text(spec_file.render(spec), encoding="utf-8")
    (entry / CONFIG_FILE).write_text(triton_config.render(spec, tensor, tensor), encoding="utf-8")
    port = free_port()
    with serve([MODEL], "--model-store", str(store), "--grpc-port", str(port), *context.flags) as server:
        return [_added(context, server, port, name, shape) for name, shape in SHAPES.items()]


def _added(context: Context, server: Served, port: int, name: str, shape: tuple[int, ...]) -> Measurement:
    array = np.random.default_rng(0).random(int(np.prod(shape)), dtype=np.float32)
    direct = _over_grpc(server.triton_address(), array, {})
    dialects = {
        "gRPC": _over_grpc(f"{HOST}:{port}", array, {"authorization": server.headers["Authorization"]}),
        "REST": _over_http(f"{HOST}:{server.port}", array, server.headers),
    }
    seconds = context.seconds / 4
    added: dict[str, list[float]] = {}
    baseline = 0.0
    for dialect, call in dialects.items():
        baselines, subjects = in_turn(
            context, f"KServe {dialect}, {name}", lambda: _median(direct, seconds), lambda c=call: _median(c, seconds)
        )
        added[dialect] = neighbour_differences(baselines, subjects)
        baseline = middle(baselines)
    return Measurement(
        f"KServe gRPC, added p50 for a tensor of {name}",
        middle(added["gRPC"]),
        "ms",
        None,
        "Median time of an infer call of tritonclient through the gateway, one FP32 tensor there and back, one caller, "
        "minus that of tritonclient's gRPC client on Triton's own socket; REST with binary tensors in the details.",
        {
            "direct ms": baseline,
            "gRPC added ms": spread(added["gRPC"]),
            "REST added ms": spread(added["REST"]),
        },
    )


def _over_grpc(address: str, array: np.ndarray, headers: dict[str, str]) -> Call:
    client = grpc.InferenceServerClient(address)
    given = grpc.InferInput("x", array.shape, "FP32")
    given.set_data_from_numpy(array)
    return lambda: client.infer(MODEL, [given], headers=headers).as_numpy("x")


def _over_http(address: str, array: np.ndarray, headers: dict[str, str]) -> Call:
    client = http.InferenceServerClient(address)
    given = http.InferInput("x", array.shape, "FP32")
    given.set_data_from_numpy(array)
    return lambda: client.infer(MODEL, [given], headers=headers).as_numpy("x")


def _median(call: Call, seconds: float) -> float:
    """Milliseconds of a call."""
    durations: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until and len(durations) < _MOST_CALLS:
        began = time.perf_counter()
        call()
        durations.append(time.perf_counter() - began)
    return 1000 * middle(durations)
