"""A network that is ONNX already: a copy of it, and what ONNX Runtime says to the samples in f32."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from safetensors.numpy import save_file

_OPEN = 64
_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `network/`, `samples.safetensors` and `reference.safetensors`; the second half of the samples is judged.

    Raises:
        ValueError: the samples cannot be made, or do not fit the network.
    """
    network = output / "network"
    shutil.copytree(request["model"], network)
    if request["main"] != "model.onnx":
        (network / request["main"]).rename(network / "model.onnx")
    session = _session(network / "model.onnx")
    rows = _given(request, session) if request["tensors"] else _made(request["count"], session)
    half = len(rows) // 2
    names = [port.name for port in session.get_outputs()]
    reference = {}
    for index in range(half, len(rows)):
        for name, value in zip(names, session.run(names, rows[index]), strict=True):
            reference[f"{index}.{name}"] = np.ascontiguousarray(value)
    save_file({f"{at}.{name}": np.ascontiguousarray(v) for at, row in enumerate(rows) for name, v in row.items()},
              output / "samples.safetensors")  # fmt: skip
    save_file(reference, output / "reference.safetensors")
    version = f"ONNX Runtime {onnxruntime.__version__}, float32, no graph optimisation"
    return {"reference": version, "judged": len(rows) - half}


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _given(request: Mapping[str, Any], session: onnxruntime.InferenceSession) -> list[dict[str, np.ndarray]]:
    """One row a sample of the user's file; its first dimension counts samples."""
    with np.load(request["tensors"], allow_pickle=False) as given:
        arrays = {name: given[name] for name in given.files}
    wanted = [port.name for port in session.get_inputs()]
    if sorted(arrays) != sorted(wanted):
        raise ValueError(f"the calibration file holds {sorted(arrays)}; the network takes {wanted}")
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or min(counts) < 2:
        raise ValueError("the calibration file's arrays need one first dimension of at least 2: the samples")
    return [
        {name: array[at : at + 1] for name, array in arrays.items()}
        for at in range(min(counts.pop(), request["count"]))
    ]


def _made(count: int, session: onnxruntime.InferenceSession) -> list[dict[str, np.ndarray]]:
    """Numbers of mean 0 and variance 1; an open first dimension becomes 1, other open ones 64."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        row = {}
        for port in session.get_inputs():
            if port.type not in _FLOATS:
                raise ValueError(
                    f"the input {port.name!r} is {port.type}; what it means is not known. Give samples: --calibration "
                    "FILE.npz with one array for each input"
                )
            shape = [_length(size, place) for place, size in enumerate(port.shape)]
            row[port.name] = random.standard_normal(shape).astype(_FLOATS[port.type])
        rows.append(row)
    return rows


def _length(size: Any, place: int) -> int:
    if isinstance(size, int) and size > 0:
        return size
    return 1 if place == 0 else _OPEN
