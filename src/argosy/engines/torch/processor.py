"""What this machine's processor can compute."""

from __future__ import annotations

from pathlib import Path

_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})
"""How Linux names it on x86-64 (AVX-512, AMX) and on Arm."""


def has_bf16(cpuinfo: Path) -> bool:
    """Whether it multiplies bf16 numbers itself.

    Args:
        cpuinfo: Linux's `/proc/cpuinfo`; a file that cannot be read says no.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        name, _, values = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return not _BF16.isdisjoint(values.split())
    return False
