"""The Triton Inference Server and the library its model processes need."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from argosy.core.errors import MissingRequirement
from argosy.runtime.triton.locate import LocateOptions, TritonInstallation, locate
from argosy.server.probe.checks.finding import Finding, Level
from argosy.server.probe.triton import backends, find

_HELP_SECONDS = 20.0


def check_triton(binary: Path | None, address: str = "") -> Finding:
    """Whether a Triton is here, complete, and its program can be run.

    Args:
        binary: the program the settings name, or None for the wheel's.
        address: a Triton that somebody else runs; then none is needed here.
    """
    if address:
        return Finding("Triton", Level.OK, f"run by somebody else at {address}")
    try:
        # Room in shared memory is a check of its own, with its own remedy.
        installation = locate(LocateOptions(binary=binary, smallest_shared_memory=0))
    except MissingRequirement as error:
        found, _, remedy = error.message.partition(" Run: ")
        return Finding("Triton", Level.FAIL, found, remedy or "pip install nvidia-pytriton==0.7.0")
    return _run(installation)


def _run(installation: TritonInstallation) -> Finding:
    """A program that exists may still lack a library; only the loader knows."""
    command = [str(installation.binary), "--help"]
    libraries = ":".join(map(str, installation.libraries))
    try:
        done = subprocess.run(
            command,
            env={"LD_LIBRARY_PATH": libraries},
            capture_output=True,
            text=True,
            timeout=_HELP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("Triton", Level.FAIL, f"{installation.binary} does not run: {error}", _reinstall(installation))
    if "--backend-directory" in done.stdout + done.stderr:
        return Finding("Triton", Level.OK, _describe(installation))
    lines = done.stderr.strip().splitlines()
    reason = lines[-1] if lines else f"exit status {done.returncode}"
    return Finding("Triton", Level.FAIL, f"{installation.binary} does not run: {reason}", _reinstall(installation))


def _describe(installation: TritonInstallation) -> str:
    python = f"model process for Python {sys.version_info.major}.{sys.version_info.minor}"
    held = f"backends {', '.join(backends(installation.backend.parent.parent))}"
    if installation.source != "wheel":
        return f"{installation.version or 'version unknown'} at {installation.binary}, {python}, {held}"
    found = find()
    version = found.version if found is not None and found.version else "version unknown"
    return f"{version} from nvidia-pytriton {importlib.metadata.version('nvidia-pytriton')}, {python}, {held}"


def _reinstall(installation: TritonInstallation) -> str:
    if installation.source == "wheel":
        return "pip install --force-reinstall --no-deps nvidia-pytriton==0.7.0"
    return f"ldd {installation.binary}"
