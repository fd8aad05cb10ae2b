"""The two interpreters that steps run on: the one that serves, and the one that has torch and the exporters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from argosy.core.errors import MissingRequirement

CHILD = Path(__file__).parent / "process" / "child.py"
_PACKAGES = (
    *("torch", "transformers", "tokenizers", "safetensors", "onnx", "onnxscript", "onnxruntime", "nncf", "openvino"),
    *("openvino-genai", "openvino-tokenizers", "numpy", "onnxruntime-gpu", "nvidia-modelopt"),
    *("tensorrt", "tensorrt-cu12", "tensorrt-cu13"),
)
_PROBE = (
    "import json, platform, sys\n"
    "from importlib import metadata\n"
    "found = {'python': platform.python_version()}\n"
    "for name in sys.argv[1:]:\n"
    "    try: found[name] = metadata.version(name)\n"
    "    except metadata.PackageNotFoundError: pass\n"
    "print(json.dumps(found))\n"
)
_PROBE_SECONDS = 30
_TENSORRT = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_NEEDED = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "nncf", "openvino", "safetensors")
_OLDEST_ONNX = (1, 21)
"""Before it external data could be read through hard links (CVE-2026-27489)."""
_REMEDY = "Run 'make convert-environment', or install argosy[convert] somewhere and name its python: --python FILE."


class Runs(StrEnum):
    """Which interpreter a step runs on."""

    SERVING = "serving"
    CONVERSION = "conversion"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What the steps run on.

    Attributes:
        conversion: the interpreter with torch; the one that serves may be named too, if it has it.
        versions: of the packages that decide what comes out, by interpreter.
        serving: the interpreter that the served engines run on.
        gpus: names of the NVIDIA GPUs that this process may use.
        gpu_problem: why there is none, where that is known.
        trtexec: TensorRT's own program, where there is one.
        variables: what steps need of the caller's environment to find GPUs and their libraries.
    """

    conversion: Path
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    serving: Path = field(default_factory=lambda: Path(sys.executable))
    gpus: tuple[str, ...] = ()
    gpu_problem: str = ""
    trtexec: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def found(self) -> Mapping[str, str]:
        """The packages of the conversion environment by name."""
        return self.versions.get(Runs.CONVERSION.value, {})

    @property
    def tensorrt(self) -> bool:
        """Whether the conversion environment has TensorRT's Python package, and a torch to prove its engines with."""
        on_gpu = not self.found.get("torch", "").endswith("+cpu")
        return on_gpu and any(name in self.found for name in _TENSORRT)

    def interpreter(self, runs: Runs) -> Path:
        """The program a step is run by."""
        return self.serving if runs is Runs.SERVING else self.conversion

    def command(self, runs: Runs, module: str) -> list[str]:
        """The beginning of a step's command line; request, result and output folder follow."""
        return [str(self.interpreter(runs)), "-I", str(CHILD), module]


def find_toolchain(conversion: Path) -> Toolchain:
    """The toolchain with the given interpreter for the exporters.

    Raises:
        MissingRequirement: it does not exist or lacks a package; the message has the command that adds it.
    """
    if not conversion.is_file():
        raise MissingRequirement(f"There is no conversion environment at {conversion}. {_REMEDY}")
    found = _versions(conversion)
    if "onnxruntime-gpu" in found:
        found.setdefault("onnxruntime", found["onnxruntime-gpu"])
    if lacking := [name for name in _NEEDED if name not in found]:
        raise MissingRequirement(f"{conversion} lacks {', '.join(lacking)}. {_REMEDY}")
    if tuple(map(int, found["onnx"].split(".")[:2])) < _OLDEST_ONNX:
        raise MissingRequirement(f"{conversion} has onnx {found['onnx']}; 1.21 or newer is needed. {_REMEDY}")
    serving = Path(sys.executable)
    versions = {Runs.CONVERSION.value: found, Runs.SERVING.value: _versions(serving)}
    return Toolchain(conversion, versions, serving)


def offline_environment(home: Path, threads: int) -> dict[str, str]:
    """All the variables a step gets: nothing of the caller's, and no library may reach for the network.

    Args:
        home: what libraries take for the home folder and write their caches to.
        threads: most threads of a numerical library.
    """
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "TMPDIR": str(home),
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(threads),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
    }


def _versions(interpreter: Path) -> dict[str, str]:
    try:
        answer = subprocess.run(
            [str(interpreter), "-I", "-c", _PROBE, *_PACKAGES],
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        found: dict[str, str] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise MissingRequirement(f"{interpreter} is no usable Python: {error}. {_REMEDY}") from error
    return found
