"""Memory that is not there, told apart from other failures of torch."""

from __future__ import annotations

from pathlib import Path

import torch

from argosy.core.errors import MissingRequirement

_ON_PROCESSORS = "DefaultCPUAllocator"
"""In torch's message; the kind is no more than `RuntimeError`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what went wrong, on a GPU or in the machine's own memory."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or _ON_PROCESSORS in str(error)


def no_room(directory: Path, error: BaseException) -> MissingRequirement:
    """The error of a model that the memory has no room for; `directory` is its folder."""
    where = "The GPU" if isinstance(error, torch.OutOfMemoryError) else "This machine"
    said = str(error).strip().splitlines() or ["no more memory"]
    return MissingRequirement(
        f"{where} has no memory for the model {directory}: {said[0][:500]}. Choose a profile with smaller weights, "
        "serve fewer models, or set 'device' to another one."
    )
