"""Puts a planned entry on disk, all of it or nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.server.artifacts import spec_file
from argosy.server.artifacts.plan import Plan
from argosy.store.entries import CONFIG_FILE, SPEC_FILE, ModelEntry, read_entry

_COPIED_UP_TO = 16 << 20
_LOCK_WAIT = 60.0
_LOCK_POLL = 0.05


def store_of(cache: Path) -> Path:
    """Where the entries made from paths are."""
    return cache / "store"


def reusable(cache: Path, name: str, fingerprint: str) -> ModelEntry | None:
    """The entry called `name` in the cache, if it was made from a source with this fingerprint and is whole."""
    directory = store_of(cache) / name
    try:
        entry = read_entry(directory)
    except (InvalidModelEntry, OSError):
        return None
    whole = all(path.exists() for path in entry.newest.rglob("*"))
    return entry if whole and entry.spec.source.get("fingerprint") == fingerprint else None


def build(cache: Path, plan: Plan) -> ModelEntry:
    """Write the planned entry into the cache, in place of one with its name.

    It is written beside the store and renamed into it. Files over 16 MiB become links to the source. Processes that
    build at the same time wait for one another.

    Raises:
        ConfigurationError: the cache cannot be written; the message names the setting that moves it.
    """
    try:
        store, staging = store_of(cache), cache / "staging"
        for folder in (store, staging):
            folder.mkdir(parents=True, exist_ok=True)
        with _lock(cache / "lock"):
            _sweep(staging)
            made = Path(tempfile.mkdtemp(prefix=f"{plan.spec.name}-", dir=staging))
            try:
                _write(made, plan)
                _replace(made, store / plan.spec.name, staging)
                return read_entry(store / plan.spec.name)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise ConfigurationError(
            f"The model cache {cache} cannot be written: {error.strerror or error}. "
            "Name a folder that can be, with room for the model: --cache FOLDER or ARGOSY_CACHE."
        ) from error


def _write(directory: Path, plan: Plan) -> None:
    directory.chmod(0o755)
    version = directory / "1"
    version.mkdir()
    for name, source in plan.files.items():
        target = version / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in plan.copied or source.stat().st_size <= _COPIED_UP_TO:
            shutil.copyfile(source, target)
        else:
            target.symlink_to(source.resolve())
    for name, text in plan.texts.items():
        (version / name).write_text(text, encoding="utf-8")
    (directory / CONFIG_FILE).write_text(plan.config, encoding="utf-8")
    (directory / SPEC_FILE).write_text(spec_file.render(plan.spec), encoding="utf-8")


def _replace(made: Path, target: Path, staging: Path) -> None:
    """Rename `made` to `target`. A folder cannot be renamed over another, so the old one steps aside first."""
    if target.is_symlink() or target.exists():
        target.rename(staging / f"old-{made.name}")
    made.rename(target)
    _sweep(staging)


def _sweep(staging: Path) -> None:
    """Remove what earlier builds left; only the holder of the lock may."""
    for leftover in staging.iterdir():
        if leftover.is_symlink() or not leftover.is_dir():
            leftover.unlink()
        else:
            shutil.rmtree(leftover)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock file; a process that dies lets go of it by itself."""
    deadline = time.monotonic() + _LOCK_WAIT
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"Another process has been writing the model cache for {_LOCK_WAIT:g} s (it holds {path}). "
                        "Wait for it, end it, or name another cache with --cache."
                    ) from None
                time.sleep(_LOCK_POLL)
        yield
    finally:
        os.close(handle)
