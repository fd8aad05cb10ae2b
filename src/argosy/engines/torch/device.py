"""Where a model runs, and in which arithmetic."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from argosy.core.errors import MissingRequirement
from argosy.engines.torch.processor import has_bf16

_log = logging.getLogger(__name__)
_TYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
_CPUINFO = Path("/proc/cpuinfo")


def choose_device(name: str) -> torch.device:
    """The device that an operator's word means.

    Raises:
        MissingRequirement: torch does not see that GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index or 0
    if index >= count:
        raise MissingRequirement(
            f"The device {name!r} is asked for and torch {torch.__version__} sees {count} GPUs. Check nvidia-smi, and "
            "that torch is a build for CUDA: pip install torch. Without a GPU, set 'device' to 'cpu'."
        )
    return torch.device("cuda", index)


def choose_type(device: torch.device, precision: str) -> torch.dtype:
    """The precision asked for, or f32 where the device would only emulate it."""
    if precision == "f32" or _computes(device, precision):
        return _TYPES[precision]
    _log.warning("The %s lacks %s arithmetic; using f32", _what(device), precision)
    return torch.float32


def _computes(device: torch.device, precision: str) -> bool:
    if device.type == "cuda":
        return precision == "f16" or torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bf16" and has_bf16(_CPUINFO)


def _what(device: torch.device) -> str:
    return "processor" if device.type == "cpu" else str(torch.cuda.get_device_name(device))
