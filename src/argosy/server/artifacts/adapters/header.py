"""The header of an adapter's safetensors file."""

from __future__ import annotations

from pathlib import Path

from argosy.server.artifacts.readers import safetensors
from argosy.server.artifacts.readers.safetensors import TensorHeader

__all__ = ["TensorHeader", "read_header"]

_TYPES = ("F32", "F16", "BF16")


def read_header(path: Path) -> dict[str, TensorHeader]:
    """The tensors of the file at `path`, by name; the data are not read.

    Raises:
        InvalidModelEntry: not a whole safetensors file, or one with numbers that no adapter is made of.
    """
    return safetensors.read_header(path, _TYPES)
