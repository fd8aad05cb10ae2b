"""The interpreter and NumPy."""

from __future__ import annotations

import importlib.metadata
import platform

from argosy.server.probe.checks.finding import Finding, Level

_OLDEST, _FIRST_UNKNOWN = (3, 11), (3, 14)


def check_python(version: str | None = None) -> Finding:
    """Whether this Python is one that Triton's model process exists for."""
    version = version or platform.python_version()
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if _OLDEST <= numbers < _FIRST_UNKNOWN:
        return Finding("Python", Level.OK, version)
    return Finding("Python", Level.FAIL, f"{version}; 3.11 to 3.13 are supported", "apt-get install python3.11-venv")


def check_numpy(version: str | None = None) -> Finding:
    """Whether NumPy has the ABI that Triton's model process was built with."""
    remedy = "pip install 'numpy>=1.26.4,<2'"
    try:
        version = version or importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        return Finding("NumPy", Level.FAIL, "not installed", remedy)
    if version.startswith("1."):
        return Finding("NumPy", Level.OK, version)
    return Finding("NumPy", Level.FAIL, f"{version}; Triton's model processes need NumPy 1", remedy)
