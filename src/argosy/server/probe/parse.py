"""Reads the kernel's text files; pure functions from content to values.

Source: proc(5), Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The kernel's words to ours, x86 first, then ARM. One of ours is given when any of its words is there.
_FEATURES = {
    "avx2": {"avx2"},
    "avx512": {"avx512f"},
    "vnni": {"avx512_vnni", "avx_vnni"},
    "bf16": {"avx512_bf16", "amx_bf16", "bf16"},
    "amx": {"amx_tile"},
    "neon": {"asimd"},
    "i8mm": {"i8mm"},
    "sve": {"sve"},
}

# ARM processors give numbers for names; these are the ones servers have.
_IMPLEMENTERS = {
    0x41: "ARM",
    0x42: "Broadcom",
    0x46: "Fujitsu",
    0x48: "HiSilicon",
    0x4E: "NVIDIA",
    0x61: "Apple",
    0xC0: "Ampere",
}
_PARTS = {
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD84): "Neoverse-V3",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1a",
}


@dataclass(frozen=True, slots=True)
class Processor:
    """What `/proc/cpuinfo` says of the first processor.

    Attributes:
        features: of `avx2`, `avx512`, `vnni`, `bf16`, `amx`, `neon`, `i8mm`, `sve`, those it has.
    """

    vendor: str = ""
    model: str = ""
    features: frozenset[str] = frozenset()


def cpuinfo(text: str) -> Processor:
    """The processor in `/proc/cpuinfo`; what is not said stays empty."""
    first = _fields(text.strip().split("\n\n")[0])
    words = set((first.get("flags") or first.get("Features") or "").split())
    features = frozenset(name for name, known in _FEATURES.items() if known & words)
    if (implementer := _number(first.get("CPU implementer"))) is not None:
        part = _number(first.get("CPU part")) or 0
        vendor = _IMPLEMENTERS.get(implementer, f"implementer 0x{implementer:02x}")
        return Processor(vendor, _PARTS.get((implementer, part), f"part 0x{part:03x}"), features)
    return Processor(first.get("vendor_id", ""), first.get("model name", ""), features)


def meminfo(text: str) -> int:
    """Bytes of memory in the machine as `/proc/meminfo` says, 0 when it does not."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def cpu_max(text: str) -> float | None:
    """Processors' worth of time in a cgroup v2 `cpu.max`; None means no limit."""
    quota, _, period = text.strip().partition(" ")
    return _quota(quota, period)


def cfs_quota(quota: str, period: str) -> float | None:
    """Processors' worth of time in the pair of cgroup v1 files `cpu.cfs_quota_us` and `cpu.cfs_period_us`."""
    return _quota(quota.strip(), period.strip())


def memory_max(text: str) -> int | None:
    """Bytes in a cgroup's `memory.max` (v2) or `memory.limit_in_bytes` (v1); None means no limit."""
    value = text.strip()
    # Version 1 writes "no limit" as the largest number of whole pages.
    return int(value) if value.isdecimal() and int(value) < 1 << 60 else None


def cgroups(text: str) -> dict[str, str]:
    """Controller to path in `/proc/self/cgroup`; the unified hierarchy of version 2 has the key ""."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def gpu_model(text: str) -> str:
    """The model in `/proc/driver/nvidia/gpus/*/information`."""
    return _fields(text).get("Model", "NVIDIA GPU")


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def _number(text: str | None) -> int | None:
    try:
        return int(text, 0) if text else None
    except ValueError:
        return None


def _quota(quota: str, period: str) -> float | None:
    if not quota.isdecimal() or not period.isdecimal() or int(quota) <= 0 or int(period) <= 0:
        return None
    return int(quota) / int(period)
