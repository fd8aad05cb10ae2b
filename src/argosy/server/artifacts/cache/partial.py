"""A download under way: a file that grows, held by one process at a time, and becomes a blob when it is whole."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from argosy.core.errors import ConfigurationError
from argosy.server.artifacts.cache.digests import Digest, Hash
from argosy.server.artifacts.cache.layout import Layout, sync_folder

_POLL = 0.1
_CHUNK = 1 << 20
_IDLE = 120.0
"""Seconds without a byte after which the process that holds a download is no longer waited for."""


@dataclass
class Partial:
    """The bytes of a file received so far.

    Attributes:
        file: open for reading and writing.
    """

    path: Path
    file: BinaryIO

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return os.fstat(self.file.fileno()).st_size

    def feed(self, *hashes: Hash) -> None:
        """Give what has been received to `hashes`, and stand at its end."""
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK):
            for digest in hashes:
                digest.update(chunk)

    def restart(self) -> None:
        """Forget what was received."""
        self.file.seek(0)
        self.file.truncate()

    def publish(self, layout: Layout, sha256: str) -> None:
        """Give the file its final name; it must be whole and have that hash."""
        self.file.flush()
        os.fsync(self.file.fileno())
        os.fchmod(self.file.fileno(), 0o644)
        target = layout.blob(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)
        sync_folder(target.parent)

    def drop(self) -> None:
        """Remove the file; it is of no use to anyone."""
        self.path.unlink(missing_ok=True)


@contextmanager
def hold(layout: Layout, digest: Digest, waiting: Callable[[], None]) -> Iterator[Partial]:
    """The partial file of `digest`, alone; a process that dies lets go of it by itself.

    Args:
        layout: of the cache.
        digest: what the file must become.
        waiting: called once when another process has it.

    Raises:
        ConfigurationError: the other process holds it and receives nothing.
        OSError: the file cannot be made.
    """
    layout.partial.mkdir(parents=True, exist_ok=True)
    path = layout.partial / f"{digest.kind}-{digest.text}"
    file = _acquire(path, waiting)
    try:
        yield Partial(path, file)
    finally:
        file.close()


def _acquire(path: Path, waiting: Callable[[], None]) -> BinaryIO:
    told, seen, since = False, -1, time.monotonic()
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            size = os.fstat(handle).st_size
            os.close(handle)
            if not told:
                waiting()
                told = True
            if size != seen:
                seen, since = size, time.monotonic()
            if time.monotonic() - since > _IDLE:
                raise ConfigurationError(
                    f"Another process holds {path} and has received nothing for {_IDLE:g} s. End it and try again."
                ) from None
            time.sleep(_POLL)
            continue
        # Whoever had it may have published it meanwhile; then this handle is of a blob, which must not be written.
        with suppress(OSError):
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return os.fdopen(handle, "r+b")
        os.close(handle)
