"""The first step: a copy of the model's own files, and a look into each.

Weights are read by the safetensors library, which parses a bounded header and maps the rest; ONNX by the onnx checker.
Nothing else of a source ever reaches the later steps.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Copy `files` (name to path) into `output/model` and check them.

    Returns:
        `parameters`: number of weights, 0 for ONNX; `bytes`: of all files.

    Raises:
        ValueError: a file is not what its name says.
    """
    folder = output / "model"
    folder.mkdir()
    for name, path in request["files"].items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(Path(path), target)
    parameters = sum(_parameters(path) for path in folder.glob("*.safetensors"))
    if request["main"]:
        _check_onnx(folder / request["main"])
    return {"parameters": parameters, "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())}


def _copy(source: Path, target: Path) -> None:
    # The path was resolved when it was admitted: a link here now was put there since.
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def _parameters(path: Path) -> int:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    count = 0
    try:
        with safe_open(path, framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 - not a mapping
                size = 1
                for length in weights.get_slice(name).get_shape():
                    size *= length
                count += size
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file: {error}") from error
    return count


def _check_onnx(path: Path) -> None:
    import onnx  # noqa: PLC0415

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ValueError(f"{path.name} is not a valid ONNX file: {error}") from error
