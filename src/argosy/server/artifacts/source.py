"""Files of a source folder, reached without ever leaving it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry

_LARGEST_JSON = 8 << 20
_LARGEST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A folder somebody else filled.

    A symbolic link is followed only inside the folder, or into the `blobs` of the Hugging Face cache repository
    that the folder is a snapshot of (that is how the cache stores every file).

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
        blobs = _hub_blobs(self.root.absolute())
        if resolved.is_relative_to(self.root.resolve()) or (blobs is not None and resolved.parent == blobs.resolve()):
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


def _hub_blobs(root: Path) -> Path | None:
    for folder in (root, *root.parents):
        if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
            return folder.parent.parent / "blobs"
    return None
