"""Where models are found and kept when the settings do not say."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import argosy

_IN_A_WHEEL = "bundled_models"
_IN_THE_REPOSITORY = "models"


def model_stores(configured: Sequence[Path]) -> tuple[Path, ...]:
    """The configured stores, else the bundled one."""
    return tuple(configured) or (bundled_store(),)


def bundled_store() -> Path:
    """The folder of bundled entries: inside the installed package, or the repository's when run from it."""
    package = Path(argosy.__file__).parent
    installed = package / _IN_A_WHEEL
    return installed if installed.is_dir() else package.parent.parent / _IN_THE_REPOSITORY


def cache_directory(configured: Path | None, environment: Mapping[str, str]) -> Path:
    """The configured cache, else `argosy` in the user's cache folder (XDG Base Directory specification).

    Args:
        configured: the setting, or None.
        environment: `XDG_CACHE_HOME` and `HOME` are looked up here.
    """
    if configured is not None:
        return configured
    base = environment.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    if Path(base).is_absolute():
        return Path(base) / "argosy"
    return Path(environment.get("HOME") or "~").expanduser() / ".cache" / "argosy"


def run_directory(configured: Path | None, port: int, environment: Mapping[str, str]) -> Path:
    """The configured run directory, else one for each user and port, short enough for the sockets in it.

    Args:
        configured: the setting, or None.
        port: of the gateway.
        environment: `XDG_RUNTIME_DIR` is looked up here.
    """
    if configured is not None:
        return configured
    base = environment.get("XDG_RUNTIME_DIR", "")
    if Path(base).is_absolute() and os.access(base, os.W_OK):
        return Path(base) / "argosy" / str(port)
    # The home tells users with one number apart, as containers that share a /tmp have.
    owner = hashlib.sha256(str(Path.home()).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"argosy-{os.getuid()}-{owner}" / str(port)
