"""Puts a planned entry on disk, all of it or nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from argosy.core.errors import ConfigurationError, InvalidModelEntry, ModelEntryExists
from argosy.server.artifacts import integrity, spec_file
from argosy.server.artifacts.cache.layout import check_space, sync_folder, writing
from argosy.server.artifacts.cache.workspace import held
from argosy.server.artifacts.plan import Plan
from argosy.store.entries import CONFIG_FILE, SPEC_FILE, ModelEntry, read_entry

_COPIED_UP_TO = 16 << 20
_CHUNK = 1 << 20
_EXPORTING = ".argosy-writing-"
"""Hidden, so that nobody takes what is being written for an entry."""
_LOCK_WAIT = 60.0
_LOCK_POLL = 0.05


def store_of(cache: Path) -> Path:
    """Where the entries made from paths are."""
    return cache / "store"


def reusable(cache: Path, name: str, fingerprint: str) -> ModelEntry | None:
    """The entry called `name` in the cache, if it was made from a source with this fingerprint and is whole."""
    entry = whole(cache, name)
    return entry if entry is not None and entry.spec.source.get("fingerprint") == fingerprint else None


def whole(cache: Path, name: str) -> ModelEntry | None:
    """The entry called `name` in the cache, made of whatever source, if everything it links to is there."""
    try:
        entry = read_entry(store_of(cache) / name)
        return entry if all(path.exists() for path in entry.newest.rglob("*")) else None
    except (InvalidModelEntry, OSError):
        return None


def build(cache: Path, plan: Plan, *, root: Path | None = None, named: Path | None = None) -> ModelEntry:
    """Write the planned entry into the cache, in place of one with its name.

    It is written beside the store and renamed into it. Files over 16 MiB become links to the source. Processes that
    build at the same time wait for one another.

    Args:
        cache: holds the store.
        plan: what is written.
        root: links to files below it are relative, so that the whole may be moved or mounted elsewhere.
        named: what is called the cache when it cannot be written; None means `root` or `cache`.

    Raises:
        StorageFull: the disk has no room.
        CacheNotWritable: the message names the setting that moves the cache.
        ConfigurationError: another process has been writing it for a minute.
    """
    with writing(named or root or cache):
        store, staging = store_of(cache), cache / "staging"
        for folder in (store, staging):
            folder.mkdir(parents=True, exist_ok=True)
        with _lock(cache / "lock"):
            _sweep(staging)
            made = Path(tempfile.mkdtemp(prefix=f"{plan.spec.name}-", dir=staging))
            try:
                _write(made, plan, store / plan.spec.name, root)
                _replace(made, store / plan.spec.name, staging)
                return read_entry(store / plan.spec.name)
            finally:
                shutil.rmtree(made, ignore_errors=True)


def tidy(cache: Path, root: Path) -> None:
    """Remove what a build that was killed left behind; nothing is locked when there is nothing.

    Raises:
        ConfigurationError: the cache cannot be written.
    """
    staging = cache / "staging"
    with writing(root):
        if staging.is_dir() and any(staging.iterdir()):
            with _lock(cache / "lock"):
                _sweep(staging)


def export(store: Path, plan: Plan) -> ModelEntry:
    """Write the planned entry into a model store of the user's: no links, and never in place of another.

    Of two writers of one entry the first to finish wins, and the other is told.

    Raises:
        ModelEntryExists: there is an entry, or something else, of that name.
        StorageFull: the disk has no room.
        ConfigurationError: the store cannot be written.
    """
    target = store / plan.spec.name
    with writing(store):
        store.mkdir(parents=True, exist_ok=True)
        if target.exists() or target.is_symlink():
            raise _exists(target)
        check_space(store, sum(file.stat().st_size for file in plan.files.values()))
        with held(store, plan.spec.name, _EXPORTING) as made:
            _write(made, plan, None, None)
            _rename_new(made, target)
            sync_folder(store)
    return read_entry(target)


def _rename_new(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise _exists(target) from error
        raise


def _exists(target: Path) -> ModelEntryExists:
    return ModelEntryExists(
        f"{target} exists already and is not written over. Remove it, or give the model another name: other=MODEL."
    )


def _write(directory: Path, plan: Plan, target: Path | None, root: Path | None) -> None:
    """The entry's files; `target` is where they will be, None when nothing may be a link."""
    directory.chmod(0o755)
    version = directory / "1"
    version.mkdir()
    for name, source in plan.files.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target is None or source.stat().st_size <= _COPIED_UP_TO:
            _copy(source, path)
        elif name in plan.copied:
            _link_hard(source, path, root)
        else:
            path.symlink_to(_link(source.resolve(), target / "1" / name, root))
    for name, text in plan.texts.items():
        (version / name).write_text(text, encoding="utf-8")
    (directory / CONFIG_FILE).write_text(plan.config, encoding="utf-8")
    (directory / SPEC_FILE).write_text(spec_file.render(plan.spec), encoding="utf-8")
    if plan.hashes:
        integrity.record(directory, {f"1/{name}": digest for name, digest in plan.hashes.items()})


def _copy(source: Path, target: Path) -> None:
    """Copy a regular file; what became a link or a pipe after it was checked is not opened."""
    handle = os.open(source.resolve(), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as content, target.open("xb") as copy:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InvalidModelEntry(f"{source} is not a regular file.")
        shutil.copyfileobj(content, copy, _CHUNK)


def _link_hard(source: Path, target: Path, root: Path | None) -> None:
    """A file that must not be a symbolic link: another name for one of the cache's own, else a copy."""
    if root is not None and source.resolve().is_relative_to(root.resolve()):
        with contextlib.suppress(OSError):
            target.hardlink_to(source.resolve())
            return
    _copy(source, target)


def _link(file: Path, place: Path, root: Path | None) -> Path:
    """What a link at `place` says: relative within `root`.

    What is being built lies as deep as the place it goes to, so that the link holds in both.
    """
    if root is None or not file.is_relative_to(root.resolve()):
        return file
    return Path(os.path.relpath(file, place.parent.resolve()))


def _replace(made: Path, target: Path, staging: Path) -> None:
    """Rename `made` to `target`. A folder cannot be renamed over another, so the old one steps aside first."""
    if target.is_symlink() or target.exists():
        target.rename(staging / f"old-{made.name}")
    made.rename(target)
    sync_folder(target.parent)
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
    handle = _open_lock(path)
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


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        # Another user made it in a folder that both may write; reading is enough to hold it.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
