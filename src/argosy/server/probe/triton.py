"""Which Triton would be started here, and the backends it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import MissingRequirement
from argosy.runtime.triton.locate import LocateOptions, locate
from argosy.server.probe.software import version

WHEEL = "nvidia-pytriton"
# The wheel does not say which Triton it holds; its release notes do.
_TRITON_OF_WHEEL = {"0.7.0": "2.51.0"}


@dataclass(frozen=True, slots=True)
class Triton:
    """A Triton Inference Server.

    Attributes:
        version: empty when only the running server knows.
        source: `wheel` or `binary`.
        backends: the native backends it holds, such as `python`, `onnxruntime`, `tensorrt`; by name.
    """

    version: str
    source: str
    backends: tuple[str, ...]

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Triton:
        """The inverse of `dataclasses.asdict`, for data that came as JSON."""
        return cls(str(data["version"]), str(data["source"]), tuple(map(str, data["backends"])))


def find(binary: Path | None = None) -> Triton | None:
    """The Triton that would be started, or None when none can be.

    Args:
        binary: the program the settings name, or None for the wheel's.
    """
    try:
        installation = locate(LocateOptions(binary=binary, smallest_shared_memory=0))
    except MissingRequirement:
        return None
    told = installation.version or _TRITON_OF_WHEEL.get(version(WHEEL), "")
    if installation.source != "wheel":
        told = installation.version
    return Triton(told, installation.source, backends(installation.backend.parent.parent))


def backends(directory: Path) -> tuple[str, ...]:
    """The backends in a backend directory: folders `<name>` that hold `libtriton_<name>.so` or a `model.py`."""
    if not directory.is_dir():
        return ()
    return tuple(
        sorted(
            child.name
            for child in directory.iterdir()
            if (child / f"libtriton_{child.name}.so").is_file() or (child / "model.py").is_file()
        )
    )
