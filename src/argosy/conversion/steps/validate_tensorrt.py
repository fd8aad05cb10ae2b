"""Asks a TensorRT engine for the judged samples on the GPU, and compares its answers with the original's.

The engine runs in TensorRT's own runtime, which Triton's backend uses too. As `build_tensorrt`, this has not been run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from argosy.conversion.proof.measures import NotFinite
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.agreement import agreement
from argosy.conversion.steps.proofs.reference import Row, rows_of
from argosy.conversion.steps.proofs.speed import rate
from argosy.conversion.tensorrt.trtexec import read_answer, read_speed, run_command, speed_command

Ask = Callable[[Row], dict[str, Any]]
"""Asks the engine for one sample; the outputs by name."""


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Compare one profile.

    Returns:
        `figures`, `speed` and `unit`; or `not_finite`, a sentence.

    Raises:
        RuntimeError: the engine cannot be loaded or run.
    """
    reference, inputs = rows_of(Path(request["reference"])), rows_of(Path(request["inputs"]))
    rows = [inputs[index] for index in reference]
    by_command = bool(request["trtexec"])
    ask = _command(request, output) if by_command else _Engine(Path(request["plan"])).ask
    try:
        figures = agreement(Kind(request["kind"]), [ask(row) for row in rows], list(reference.values()))
    except NotFinite as error:
        return {"not_finite": str(error)}
    # trtexec loads the engine anew for every sample, and has a way of its own to measure.
    speed = _command_speed(request, rows[0]) if by_command else rate(lambda: [ask(row) for row in rows], len(rows))
    return {"figures": figures, "speed": speed, "unit": "samples/s"}


class _Engine:
    """An engine on the GPU; torch keeps the memory and the stream."""

    def __init__(self, plan: Path) -> None:
        import tensorrt as trt  # noqa: PLC0415 - trtexec does without it
        import torch  # noqa: PLC0415

        self._torch = torch
        runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        self._engine = runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            raise RuntimeError("TensorRT cannot load the engine it built; its log says why")
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(at) for at in range(self._engine.num_io_tensors)]
        self._inputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        self._outputs = [name for name in names if name not in self._inputs]
        self._types = {name: _torch_type(torch, self._engine.get_tensor_dtype(name)) for name in names}
        self._runtime = runtime

    def ask(self, row: Row) -> dict[str, Any]:
        """The outputs by name.

        Raises:
            RuntimeError: the engine refuses the shapes, or cannot be run.
        """
        torch, context = self._torch, self._context
        held = {name: torch.from_numpy(row[name]).to("cuda", self._types[name]).contiguous() for name in self._inputs}
        for name, tensor in held.items():
            if not context.set_input_shape(name, tuple(tensor.shape)):
                raise RuntimeError(f"the engine refuses the shape {tuple(tensor.shape)} of {name!r}")
        for name in self._outputs:
            shape = tuple(context.get_tensor_shape(name))
            if -1 in shape:
                raise RuntimeError(f"the shape of the output {name!r} depends on the data, which is not measured")
            held[name] = torch.empty(shape, dtype=self._types[name], device="cuda")
        for name, tensor in held.items():
            context.set_tensor_address(name, tensor.data_ptr())
        stream = torch.cuda.current_stream()
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT could not run the engine; its log says why")
        stream.synchronize()
        return {name: _array(torch, held[name]) for name in self._outputs}


def _torch_type(torch: Any, kind: Any) -> Any:
    names = {
        "FLOAT": "float32",
        "HALF": "float16",
        "BF16": "bfloat16",
        "BOOL": "bool",
        "INT8": "int8",
        "UINT8": "uint8",
        "INT32": "int32",
        "INT64": "int64",
    }
    return getattr(torch, names[kind.name])


def _array(torch: Any, tensor: Any) -> Any:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()


def _command(request: Mapping[str, Any], output: Path) -> Ask:
    def ask(row: Row) -> dict[str, Any]:
        files: dict[str, tuple[Path, tuple[int, ...]]] = {}
        for name, value in row.items():
            file = output / f"{len(files)}.bin"
            file.write_bytes(np.ascontiguousarray(value).tobytes())
            files[name] = (file, tuple(value.shape))
        answer = output / "answer.json"
        command = run_command(Path(request["trtexec"]), Path(request["plan"]), files, answer)
        subprocess.run(command, check=True, stdout=sys.stdout, stderr=sys.stderr)
        return read_answer(answer.read_text(encoding="utf-8"))

    return ask


def _command_speed(request: Mapping[str, Any], row: Row) -> float:
    shapes = {name: tuple(value.shape) for name, value in row.items()}
    command = speed_command(Path(request["trtexec"]), Path(request["plan"]), shapes)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sys.stdout.write(said)
    return read_speed(said)
