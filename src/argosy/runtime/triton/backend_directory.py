"""Prepare the private `--backend-directory`: Triton's python backend, one shim for each engine, the image's backends.

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
    """Write `python/`, `argosy_<engine>/` and links to the installation's own backends, in place of what was there.

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
    for name, folder in installation.native.items():
        # Whole folders may be links, which spares copies of gigabytes: Triton compares the real place of a library with
        # that of its folder, and libraries look for their neighbours at their real place.
        (directory / name).symlink_to(folder.resolve(), target_is_directory=True)
    return directory


def _check_executable(directory: Path) -> None:
    if os.statvfs(directory).f_flag & os.ST_NOEXEC:
        raise MissingRequirement(
            f"{directory} is on a file system mounted noexec, from which Triton cannot run its model processes. "
            "Choose another place with --run-directory."
        )
