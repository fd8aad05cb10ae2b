"""Where and with what a result was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import psutil

from bench.context import ROOT

SERVING = (
    "argosy",
    "nvidia-pytriton",
    "openvino",
    "openvino-genai",
    "tokenizers",
    "uvicorn",
    "fastapi",
    "grpcio",
    "numpy",
)


def describe() -> dict[str, str]:
    """Processor, cores, memory, load at the start, system and Python."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "features": ", ".join(_features()) or "none of AVX2, AVX-512, BF16, AMX",
        "memory": f"{memory:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(packages: Sequence[str] = SERVING) -> dict[str, str]:
    """Installed versions by package; packages that are not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Short id of the commit, with "+" after it when tracked files differ from it; "unknown" outside git."""
    short = _git("rev-parse", "--short=10", "HEAD")
    if not short:
        return "unknown"
    return f"{short}+" if _git("status", "--porcelain", "--untracked-files=no") else short


def lines(facts: Mapping[str, str]) -> list[str]:
    """One "name: value" a fact."""
    return [f"{name}: {value}" for name, value in facts.items()]


def _git(*arguments: str) -> str:
    try:
        outcome = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return outcome.stdout.strip() if outcome.returncode == 0 else ""


def _cpuinfo() -> dict[str, str]:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _processor() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _features() -> list[str]:
    flags = set(_cpuinfo().get("flags", "").split())
    wanted = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI", "avx512_bf16": "BF16", "amx_tile": "AMX"}
    return [name for flag, name in wanted.items() if flag in flags]
