"""Whether a GPU is the one that a profile was built for, and the short names people call GPUs by."""

from __future__ import annotations

import itertools
import re

from argosy.server.profiles.memory import GIB
from argosy.server.profiles.profile import GpuModel
from argosy.server.profiles.units import Unit

_WORDS = re.compile(r"[a-z0-9]+")
_VENDOR = frozenset({"nvidia", "tesla", "geforce", "quadro", "gpu", "laptop", "graphics", "device"})
_GIGABYTES = (4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 180, 192, 288)
_LEAST_SHARE = 0.91
_PACKAGING = re.compile(r"(?:sxm\d*|pcie|hbm\d\w*|\d+gb|mig)", re.IGNORECASE)


def matches(wanted: GpuModel, unit: Unit) -> bool:
    """Whether everything that `wanted` says is true of the GPU.

    The PCI device decides when both sides tell it: names of one GPU differ from place to place.
    """
    if wanted.pattern and not _fits(wanted.pattern, unit.name):
        return False
    if wanted.pci_device and unit.pci_device:
        return wanted.pci_device.lower() == unit.pci_device.lower()
    return not wanted.name or _named(wanted.name, unit.name)


def short_name(name: str, memory: int) -> str:
    """What people call a GPU: "A100 80GB" for "NVIDIA A100-SXM4-80GB"."""
    words = [word for word in re.split(r"[\s-]+", name) if word]
    kept = [word for word in words if word.lower() not in _VENDOR and not _PACKAGING.fullmatch(word)]
    return " ".join([*(kept or words), *([f"{_sold_as(memory)}GB"] if memory else [])])


def _sold_as(memory: int) -> int:
    """The round number on the box; error correction and the driver keep some of it."""
    value = memory / GIB
    return next((size for size in _GIGABYTES if size * _LEAST_SHARE <= value <= size + 1), round(value))


def _fits(pattern: str, name: str) -> bool:
    """Patterns are written for names with hyphens for blanks, as Kubernetes' GPU labels have them."""
    return re.match(pattern, name.replace(" ", "-")) is not None


def _named(wanted: str, name: str) -> bool:
    """Whether every word of `wanted` is in the name: "h100_nvl" in "NVIDIA H100 NVL", but "A10" not in "A100"."""
    words = _WORDS.findall(name.lower())
    # "rtx4090" stands for "RTX 4090".
    words += [first + second for first, second in itertools.pairwise(words)]
    return set(_WORDS.findall(wanted.lower())) <= set(words)
