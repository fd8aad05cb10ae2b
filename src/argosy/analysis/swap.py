"""Replace a model's `config.pbtxt` so that at any moment the old one or the new one is there, whole."""

from __future__ import annotations

import os
from pathlib import Path

from argosy.core.disk import OUT_OF_SPACE
from argosy.core.errors import ConfigurationError, StorageFull
from argosy.store.entries import CONFIG_FILE

BACKUP_FILE = f"{CONFIG_FILE}.before-analyze"
_STAGED = f".{CONFIG_FILE}.new"


def install(directory: Path, text: str) -> Path:
    """Make `text` the config of the entry in `directory`; the former one stays beside it.

    Returns:
        Where the former config is kept.

    Raises:
        StorageFull: the disk is full; nothing was changed.
        ConfigurationError: the folder cannot be written.
    """
    backup = directory / BACKUP_FILE
    try:
        former = (directory / CONFIG_FILE).read_bytes()
        try:
            _write(directory, backup.name, former)
            _write(directory, CONFIG_FILE, text.encode())
        except OSError as error:
            if error.errno not in OUT_OF_SPACE:
                raise
            # The new one may be there already, and only its folder not be written.
            if _holds(backup, former):
                backup.replace(directory / CONFIG_FILE)
            raise StorageFull(
                f"The disk of the model's folder {directory} is full; its config is as it was. Make room and apply "
                "again: --resume --apply."
            ) from error
    except OSError as error:
        raise _cannot(directory, error) from error
    return backup


def restore(directory: Path, text: str) -> None:
    """Put the former config back; the backup goes. A backup that still holds it is renamed, which a full disk allows.

    Raises:
        ConfigurationError: the folder cannot be written; the message says where the former config is.
    """
    backup = directory / BACKUP_FILE
    try:
        if _holds(backup, text.encode()):
            backup.replace(directory / CONFIG_FILE)
            _sync(directory)
            return
        _write(directory, CONFIG_FILE, text.encode())
        backup.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(directory, error) from error


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False


def _write(directory: Path, name: str, data: bytes) -> None:
    staged = directory / _STAGED
    mode = (directory / CONFIG_FILE).stat().st_mode & 0o777
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        # To the disk before the rename: after a power cut the name must not stand for an empty file.
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(directory / name)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    _sync(directory)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot(directory: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The model's folder {directory} cannot be written ({error.strerror or error}). Copy the entry to a model "
        f"store that can be (--model-store), or copy the config from the report by hand. A former config that was "
        f"replaced is in {BACKUP_FILE} there."
    )
