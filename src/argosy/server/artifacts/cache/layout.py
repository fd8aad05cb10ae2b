"""Where things are in the cache, and how they get there.

    <cache>/blobs/sha256/<ab>/<64 digits>     a file, named after its content; never changed, only replaced whole
    <cache>/manifests/<name>-<16 digits>.json what a source consists of, written last
    <cache>/partial/<digest>                  a download under way; continued by whoever comes next
    <cache>/snapshots/<16 digits>/…           a source's files under their own names: links to blobs
    <cache>/models/<16 digits>/store/<name>/  the model store entry made of a source
    <cache>/models/<16 digits>/profiles/<16 digits>/store/<name>/  the same, with a profile that was chosen for it
    <cache>/incoming/…                        what is being unpacked or linked; swept by the next one

Everything is complete before it gets its name, so a reader needs no lock and a full cache may be mounted read-only.
Files are readable by every user, folders too, as far as the umask allows it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argosy.core.disk import OUT_OF_SPACE
from argosy.core.errors import CacheNotWritable, StorageFull

_SPARE = 16 << 20
"""Bytes that a download leaves free, for manifests and small files."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one cache.

    Attributes:
        root: the cache; it may be read-only when everything asked for is in it.
    """

    root: Path

    @property
    def blobs(self) -> Path:
        """Files by content."""
        return self.root / "blobs" / "sha256"

    @property
    def manifests(self) -> Path:
        """Lists of files by source."""
        return self.root / "manifests"

    @property
    def partial(self) -> Path:
        """Downloads under way."""
        return self.root / "partial"

    @property
    def snapshots(self) -> Path:
        """Folders of links."""
        return self.root / "snapshots"

    @property
    def incoming(self) -> Path:
        """Work under way."""
        return self.root / "incoming"

    def blob(self, sha256: str) -> Path:
        """Where the file with that content is, or would be."""
        return self.blobs / sha256[:2] / sha256

    def place(self, identity: str) -> Path:
        """The folder of the entries made of a source; `identity` is its manifest's."""
        return self.root / "models" / identity[:16]


@contextmanager
def writing(cache: Path) -> Iterator[None]:
    """Turns what goes wrong while writing into the cache into our errors.

    Raises:
        StorageFull: no space or quota is left.
        CacheNotWritable: the message names the setting that moves it.
    """
    try:
        yield
    except OSError as error:
        if error.errno in OUT_OF_SPACE:
            raise full(cache) from error
        raise CacheNotWritable(
            f"The model cache {cache} cannot be written: {error.strerror or error}. "
            "Name a folder that can be, with room for the model: --cache FOLDER or ARGOSY_CACHE."
        ) from error


def full(cache: Path, needed: int = 0) -> StorageFull:
    """The error of a full disk."""
    what = f" ({needed >> 20} MiB more are needed)" if needed else ""
    return StorageFull(
        f"The disk of the model cache {cache} is full{what}. Make room, or name another folder: --cache FOLDER or "
        "ARGOSY_CACHE. What has been downloaded is kept and continued."
    )


def check_space(cache: Path, needed: int) -> None:
    """Refuse a download that the disk has no room for.

    Raises:
        StorageFull: fewer than `needed` bytes and a little more are free.
    """
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed and free < needed + _SPARE:
        raise full(cache, needed + _SPARE - free)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
