"""Hashes that sources are pinned by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_CHUNK = 1 << 20


class Hash(Protocol):
    """What hashlib's objects have in common."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """The digest of what was taken in."""
        ...


@dataclass(frozen=True, slots=True)
class Digest:
    """The content a file must have.

    Attributes:
        kind: `sha256`, or `git` for git's blob id: SHA-1 over "blob <size>", a zero byte and the content.
        text: hexadecimal digits.
    """

    kind: str
    text: str

    def start(self, size: int) -> Hash:
        """A hash to feed the content to; `size` is the content's, bytes."""
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read from the disk in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
