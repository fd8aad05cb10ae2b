"""Puts a finished entry into a model store: all of it, or nothing.

It is written in a hidden folder of the store, flushed to the disk, and renamed. Whoever looks into the store at any
moment, after a crash or a full disk included, finds the old entry, the new one, or none; never a part.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from argosy.conversion.journal import sha256
from argosy.core.disk import OUT_OF_SPACE
from argosy.core.errors import ConfigurationError, InvalidModelEntry, StorageFull

_STAGING = ".staging"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_VERSION = "1"
_ASIDE = "aside."


@dataclass(frozen=True, slots=True)
class Bundle:
    """The content of an entry.

    Attributes:
        spec: text of `argosy.yaml`.
        config: text of `config.pbtxt`.
        files: name in the version folder to the file it is copied from.
        texts: name in the version folder to the text written there.
        extras: name beside the version folder to the file it is copied from.
    """

    name: str
    spec: str
    config: str
    files: Mapping[str, Path]
    texts: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Path] = field(default_factory=dict)


def publish(store: Path, bundle: Bundle, *, replace: bool = False) -> Path:
    """Write the entry; returns its folder.

    An entry that holds the very same already is left as it is: whoever was ended after the entry had appeared, and
    before that was known, may ask again.

    Raises:
        InvalidModelEntry: there is another entry of that name, and it is not to be replaced.
        StorageFull: the disk is full.
        ConfigurationError: the store cannot be written for another reason.
    """
    target = store / bundle.name
    try:
        with _staging(store) as staging:
            if _is_there(target, bundle):
                return target
            refuse_existing(target, replace=replace)
            made = Path(tempfile.mkdtemp(prefix=f"{bundle.name}-", dir=staging))
            _write(made, bundle)
            _place(made, target)
            _flush(store)
    except OSError as error:
        kind = StorageFull if error.errno in OUT_OF_SPACE else ConfigurationError
        raise kind(
            f"The model store {store} cannot be written: {error.strerror or error}. Nothing was changed. "
            "Free some space and go on with --resume, or name another store: --output FOLDER."
        ) from error
    return target


def refuse_existing(target: Path, *, replace: bool) -> None:
    """Refuse to overwrite an entry that nobody said may go.

    Raises:
        InvalidModelEntry: `target` exists and is not to be replaced.
    """
    if os.path.lexists(target) and not replace:
        raise InvalidModelEntry(f"{target} exists. Say --replace to put the new entry in its place, or another --name.")


def _is_there(target: Path, bundle: Bundle) -> bool:
    """Whether the entry at `target` has this spec, this config and these files in its version folder."""
    texts = {"argosy.yaml": bundle.spec, "config.pbtxt": bundle.config}
    texts |= {f"{_VERSION}/{name}": text for name, text in bundle.texts.items()}
    files = {f"{_VERSION}/{name}": path for name, path in bundle.files.items()}
    try:
        return all((target / name).read_text(encoding="utf-8") == text for name, text in texts.items()) and all(
            sha256(target / name) == sha256(path) for name, path in files.items()
        )
    except (OSError, UnicodeDecodeError):
        return False


@contextlib.contextmanager
def _staging(store: Path) -> Iterator[Path]:
    """The folder for unfinished entries, held alone; what earlier runs left in it is removed before and after."""
    staging = store / _STAGING
    staging.mkdir(parents=True, exist_ok=True)
    handle = os.open(staging / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _sweep(staging)
        yield staging
    finally:
        _sweep(staging)
        os.close(handle)


def _sweep(staging: Path) -> None:
    for leftover in staging.iterdir():
        home = staging.parent / leftover.name.removeprefix(_ASIDE)
        if leftover.name.startswith(_ASIDE) and not os.path.lexists(home):
            leftover.rename(home)
        elif leftover.name != "lock":
            shutil.rmtree(leftover, ignore_errors=True)


def _write(directory: Path, bundle: Bundle) -> None:
    directory.chmod(0o755)
    version = directory / _VERSION
    version.mkdir()
    for name, source in bundle.files.items():
        _copy(source, version / name)
    for name, text in bundle.texts.items():
        _text(version / name, text)
    for name, source in bundle.extras.items():
        _copy(source, directory / name)
    _text(directory / "config.pbtxt", bundle.config)
    _text(directory / "argosy.yaml", bundle.spec)
    for folder in {path.parent for path in directory.rglob("*")}:
        _flush(folder)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    _flush(target)


def _text(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    _flush(target)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(made: Path, target: Path) -> None:
    """Rename `made` to `target`; an entry there changes places with it in one operation (renameat2(2))."""
    if not os.path.lexists(target):
        made.rename(target)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, bytes(made), _AT_FDCWD, bytes(target), _RENAME_EXCHANGE) == 0:
        return
    if ctypes.get_errno() not in {errno.EINVAL, errno.ENOSYS}:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))
    # File systems without the exchange: for a moment there is no entry of this name. After a crash in that moment the
    # next sweep puts the old one back.
    target.rename(made.with_name(f"{_ASIDE}{target.name}"))
    made.rename(target)
