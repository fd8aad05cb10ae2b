"""Files of a source folder, reached without ever leaving it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.cache.digests import sha256_of

_LARGEST_JSON = 8 << 20
_LARGEST_TEXT = 1 << 20
_SNAPSHOT = re.compile(r"[0-9a-f]{16}")
_BLOB = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder somebody else filled.

    A symbolic link is followed only inside the folder, or into the blobs of the cache that the folder is a snapshot
    of: ours, or a repository in Hugging Face's (that is how both store every file).

    Attributes:
        root: the folder; every path given to a method is relative to it.
    """

    root: Path

    def find(self, *candidates: str) -> Path | None:
        """The first of `candidates` that is a regular file.

        Raises:
            InvalidModelEntry: it is a link that leads out of the folder.
        """
        for candidate in candidates:
            path = self.root / candidate
            if path.is_file():
                self._check_inside(path)
                return path
            if path.is_symlink():
                raise InvalidModelEntry(f"{path} is a link to nothing; put the file there and try again.")
        return None

    def is_cached(self, path: Path) -> bool:
        """Whether a file with several names is one of our own cache's, whose content nobody else chose.

        A snapshot holds hard links where OpenVINO would not follow symbolic ones. The file is read in full.
        """
        root = self.root.absolute()
        for folder in (root, *root.parents):
            if folder.parent.name == "snapshots" and _SNAPSHOT.fullmatch(folder.name):
                digest = sha256_of(path)
                blob = folder.parent.parent / "blobs" / "sha256" / digest[:2] / digest
                return blob.exists() and blob.samefile(path)
        return False

    def json(self, *candidates: str) -> dict[str, Any]:
        """The mapping in the first of `candidates` that exists; empty when none does.

        Raises:
            InvalidModelEntry: it is not a JSON mapping, or larger than 8 MiB.
        """
        value = self._decoded(*candidates)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InvalidModelEntry(f"{self.find(*candidates)} must hold a JSON mapping.")
        return value

    def json_list(self, *candidates: str) -> list[Any] | None:
        """The list in the first of `candidates` that exists, or None when none does.

        Raises:
            InvalidModelEntry: it is not a JSON list, or larger than 8 MiB.
        """
        value = self._decoded(*candidates)
        if value is not None and not isinstance(value, list):
            raise InvalidModelEntry(f"{self.find(*candidates)} must hold a JSON list.")
        return value

    def text(self, *candidates: str) -> str | None:
        """The UTF-8 text of the first of `candidates` that exists, or None when none does.

        Raises:
            InvalidModelEntry: it is not UTF-8, or larger than 1 MiB.
        """
        path = self.find(*candidates)
        return None if path is None else _read(path, _LARGEST_TEXT)

    def _decoded(self, *candidates: str) -> Any:
        path = self.find(*candidates)
        if path is None:
            return None
        try:
            return json.loads(_read(path, _LARGEST_JSON))
        except (ValueError, RecursionError) as error:
            raise InvalidModelEntry(f"{path} cannot be read as JSON: {error}.") from error

    def _check_inside(self, path: Path) -> None:
        resolved = path.resolve()
        root = self.root.absolute()
        if resolved.is_relative_to(self.root.resolve()) or _is_hub_blob(root, resolved) or _is_own_blob(root, resolved):
            return
        raise InvalidModelEntry(
            f"{path} is a link that leads out of the model's folder, to {resolved}. Copy the file into the folder."
        )


def _read(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InvalidModelEntry(f"{path} is larger than {limit >> 20} MiB, which no file of its kind is.")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidModelEntry(f"{path} cannot be read: {error}.") from error


def _is_hub_blob(root: Path, resolved: Path) -> bool:
    for folder in (root, *root.parents):
        if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
            return resolved.parent == (folder.parent.parent / "blobs").resolve()
    return False


def _is_own_blob(root: Path, resolved: Path) -> bool:
    """Whether the file is named after its content below the cache that `root` is a snapshot in."""
    for folder in (root, *root.parents):
        if folder.parent.name == "snapshots" and _SNAPSHOT.fullmatch(folder.name):
            blobs = folder.parent.parent / "blobs" / "sha256"
            return resolved.parent.parent == blobs.resolve() and _BLOB.fullmatch(resolved.name) is not None
    return False
