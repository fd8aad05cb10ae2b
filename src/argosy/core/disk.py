"""Disks that are full: how a program is told of it, and how it tells people."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argosy.core.errors import ConfigurationError, StorageFull

OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What write(2) and its kin answer when there is no space, no quota, or no room for so large a file."""

_LAST_BYTES = 64 << 10


@contextmanager
def writing(folder: Path, remedy: str) -> Iterator[None]:
    """Turn what goes wrong while writing below `folder` into an error for people.

    Args:
        folder: named in the message.
        remedy: whole sentences that say what to do.

    Raises:
        StorageFull: no space or quota is left.
        ConfigurationError: the folder cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in OUT_OF_SPACE:
            raise StorageFull(f"The disk that holds {folder} is full. {remedy}") from error
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror or error}. {remedy}") from error


def is_full(folder: Path) -> bool:
    """Whether less than 64 KiB are left to this user on the disk that holds `folder`.

    Writers that stop at the first byte that does not fit leave a disk so, whether or not they say what happened.
    """
    return shutil.disk_usage(folder).free < _LAST_BYTES
