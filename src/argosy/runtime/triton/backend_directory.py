"""Prepare the private `--backend-directory`: Triton's python backend and one shim for each engine.

Source: Triton python_backend README, "Python-based backends": a folder named like the backend that holds a
`model.py` is run by the python backend, which must be in the folder `python` beside it.
"""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path

from argosy.core.errors import MissingRequirement
from argosy.engines.registry import ENGINES
from argosy.runtime.triton.locate import TritonInstallation

SHIM = "model.py"


def prepare_backends(directory: Path, installation: TritonInstallation) -> Path:
    """Write `python/` and `argosy_<engine>/` below `directory`, replacing what was there.

    Raises:
        MissingRequirement: programs cannot be run from that file system.
    """
    _check_executable(directory.parent)
    shutil.rmtree(directory, ignore_errors=True)
    python = directory / "python"
    python.mkdir(parents=True, mode=0o700)
    # Copies: Triton refuses a backend library that resolves outside of the backend directory.
    for source in (installation.backend, installation.stub, *installation.backend_files):
        shutil.copy2(source, python / source.name)
    shim = resources.files("argosy.runtime.triton").joinpath("backends", SHIM).read_text(encoding="utf-8")
    for name in sorted(ENGINES):
        backend = directory / f"argosy_{name}"
        backend.mkdir(mode=0o700)
        (backend / SHIM).write_text(shim, encoding="utf-8")
    return directory


def _check_executable(directory: Path) -> None:
    if os.statvfs(directory).f_flag & os.ST_NOEXEC:
        raise MissingRequirement(
            f"{directory} is on a file system mounted noexec, from which Triton cannot run its model processes. "
            "Choose another place with --run-directory."
        )
