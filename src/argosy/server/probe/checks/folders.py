"""Folders that must be writable."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from argosy.server.probe.checks.finding import Finding, Level

_LEAST_FREE = 1 << 30


def check_folder(check: str, folder: Path, variable: str, *, runs_programs: bool = False) -> Finding:
    """Whether files can be made in `folder`, or it can be created.

    Nothing is left behind: a folder that does not exist is not created; the nearest one above it is tried.

    Args:
        check: name of the check.
        folder: what the settings say.
        variable: the variable that names another folder.
        runs_programs: whether programs must be allowed to run from it.
    """
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    elsewhere = f"export {variable}=/a/writable/folder"
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(check, Level.FAIL, f"{folder} cannot be written: {error.strerror or error}", elsewhere)
    status = os.statvfs(place)
    if runs_programs and status.f_flag & os.ST_NOEXEC:
        return Finding(check, Level.FAIL, f"{folder} is on a file system mounted noexec", elsewhere)
    free = status.f_bavail * status.f_frsize
    if free < _LEAST_FREE:
        return Finding(check, Level.WARN, f"{folder}, only {free >> 20} MiB free", elsewhere)
    return Finding(check, Level.OK, f"{folder}, {free / (1 << 30):.1f} GiB free")
