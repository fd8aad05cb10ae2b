"""Command lines of `trtexec`, TensorRT's own program, for machines that have it and not the Python package.

Source: `trtexec --help` and samples/common of NVIDIA/TensorRT (10 and 11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argosy.conversion.tensorrt.shapes import ShapeRange, shape_text, trtexec_shapes

_MIB = 1 << 20
_THROUGHPUT = re.compile(r"Throughput: ([\d.]+(?:[eE][-+]?\d+)?) qps")


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How an engine is built.

    Attributes:
        workspace: bytes of GPU memory that a layer may use for itself; 0 lets TensorRT take what there is.
        timing_cache: file with the times of kernels measured before, read and written; None keeps none.
        hardware_compatible: the engine also runs on other GPUs, from Ampere on, more slowly.
    """

    workspace: int = 0
    timing_cache: Path | None = None
    hardware_compatible: bool = False


def build_command(
    program: Path, network: Path, plan: Path, ranges: Mapping[str, ShapeRange], options: BuildOptions
) -> list[str]:
    """Build an engine and leave.

    Args:
        program: `trtexec`.
        network: the typed ONNX file.
        plan: where the engine is written to.
        ranges: of the inputs with open dimensions.
        options: see there.
    """
    return [
        str(program),
        f"--onnx={network}",
        f"--saveEngine={plan}",
        # The default from TensorRT 11 on, which takes the flag without a word.
        "--stronglyTyped",
        "--noTF32",
        "--skipInference",
        *trtexec_shapes(ranges),
        *([f"--memPoolSize=workspace:{max(1, options.workspace // _MIB)}"] if options.workspace else []),
        *([f"--timingCacheFile={options.timing_cache}"] if options.timing_cache else []),
        *(["--hardwareCompatibilityLevel=ampere+"] if options.hardware_compatible else []),
    ]


def run_command(
    program: Path, plan: Path, inputs: Mapping[str, tuple[Path, tuple[int, ...]]], answer: Path
) -> list[str]:
    """Ask an engine once.

    Args:
        program: `trtexec`.
        plan: the engine.
        inputs: for each input the file with its bytes, and its shape.
        answer: where the outputs are written to, as JSON.
    """
    return [
        str(program),
        f"--loadEngine={plan}",
        f"--shapes={','.join(shape_text(name, shape) for name, (_, shape) in inputs.items())}",
        f"--loadInputs={','.join(f'{name}:{file}' for name, (file, _) in inputs.items())}",
        f"--exportOutput={answer}",
        *("--iterations=1", "--duration=0", "--warmUp=0"),
    ]


def speed_command(program: Path, plan: Path, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Ask an engine for some seconds; `read_speed` finds in the output how often."""
    return [
        str(program),
        f"--loadEngine={plan}",
        f"--shapes={','.join(shape_text(name, shape) for name, shape in shapes.items())}",
    ]


def read_speed(text: str) -> float:
    """Requests a second, from the line `Throughput: 1234.5 qps`.

    Raises:
        ValueError: there is no such line.
    """
    found = _THROUGHPUT.search(text)
    if found is None:
        raise ValueError("trtexec did not say how fast the engine is")
    return float(found[1])


def read_answer(text: str) -> dict[str, NDArray[Any]]:
    """The outputs by name, from what `--exportOutput` writes: name, `1x10` as dimensions, and values.

    Raises:
        ValueError: it is not of that form.
    """
    found = {}
    for output in json.loads(text):
        dimensions = [int(size) for size in str(output["dimensions"]).split("x") if size]
        found[str(output["name"])] = np.asarray(output["values"], dtype=np.float64).reshape(dimensions)
    return found
