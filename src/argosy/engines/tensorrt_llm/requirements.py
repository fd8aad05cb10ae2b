"""What must be installed, and where."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from argosy.core.errors import InvalidModelEntry, MissingRequirement

RELEASE = "1.2"
_INSTALL = f"pip install 'tensorrt-llm=={RELEASE}.*' msgspec && pip install --no-deps argosy"
_GPU = "an NVIDIA GPU of compute capability 8.0 (Ampere) or higher"
_SECONDS = 60.0
_LOOK = """
import importlib.metadata, importlib.util, json
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
names = ("argosy", "msgspec")
print(json.dumps({"release": version("tensorrt_llm"), "lacks": [n for n in names if not importlib.util.find_spec(n)]}))
"""
_DEVICES = ("nvidia[0-9]*", "dxg")
"""Of NVIDIA's driver, and of Windows' subsystem for Linux."""


def require_machine(python: str, devices: Path = Path("/dev")) -> None:
    """Look whether the worker can run: an interpreter with the library in the release this is written for, and a GPU.

    Args:
        python: the worker's interpreter.
        devices: where a GPU shows.

    Raises:
        MissingRequirement: something is not there; the message names the command that adds it.
        InvalidModelEntry: `python` is no interpreter.
    """
    judge(_look(python), python)
    if not any(next(devices.glob(pattern), None) for pattern in _DEVICES):
        raise MissingRequirement(
            f"TensorRT-LLM needs {_GPU}; this machine shows none (nvidia-smi lists what there is)."
        )


def judge(found: Mapping[str, Any], python: str) -> None:
    """Refuse an environment in which the worker cannot run.

    Args:
        found: `release` of TensorRT-LLM, empty without it, and what else it `lacks`.
        python: its interpreter.

    Raises:
        MissingRequirement: with the command that adds what is missing.
    """
    release = str(found["release"])
    if not release:
        raise MissingRequirement(
            f"TensorRT-LLM is not installed for {python}. It needs {_GPU} and an environment of its own "
            f"(docs/engines.md): {_INSTALL}; then name its Python in ARGOSY_TENSORRT_LLM_PYTHON."
        )
    if re.match(rf"{re.escape(RELEASE)}(\.|$)", release) is None:
        raise MissingRequirement(
            f"TensorRT-LLM {release} is installed for {python}, and this engine is written for {RELEASE}; "
            f"run in its environment: {_INSTALL}"
        )
    if found["lacks"]:
        raise MissingRequirement(
            f"The environment of {python} has TensorRT-LLM and lacks {', '.join(found['lacks'])}, which the worker "
            f"needs; run in it: {_INSTALL}"
        )


def _look(python: str) -> dict[str, Any]:
    try:
        # Its imports would take the GPU; its metadata say enough.
        done = subprocess.run([python, "-P", "-c", _LOOK], capture_output=True, timeout=_SECONDS, check=True)
        return msgspec.json.decode(done.stdout, type=dict[str, Any])
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        raise InvalidModelEntry(
            f"{python} is not a Python 3.11 or higher that runs ({error}); correct ARGOSY_TENSORRT_LLM_PYTHON."
        ) from error
