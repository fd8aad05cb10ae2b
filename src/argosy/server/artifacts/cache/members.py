"""Names of files inside a source: a hub's listing, an archive, a manifest."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from argosy.core.errors import InvalidModelEntry

_LONGEST_PART = 200
_LONGEST = 1000
_DEEPEST = 16


def check_members(paths: Iterable[str], source: str) -> None:
    """Refuse paths that could lead out of a folder, or mean one another there.

    Two names that differ only in case or in the form of their accents are refused too: on some file systems the
    second would overwrite the first.

    Raises:
        InvalidModelEntry: the message names the path.
    """
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        _check(path, source)
        folded = _folded(path)
        if folded in seen:
            raise InvalidModelEntry(f"{source} holds both {seen[folded]!r} and {path!r}, which are one file elsewhere.")
        seen[folded] = path
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folders.setdefault(_folded(folder), folder) != folder:
                raise InvalidModelEntry(f"{source} holds two folders that differ only in case: {folder!r}.")
    for folded, folder in folders.items():
        if folded in seen:
            raise InvalidModelEntry(f"{source} holds {folder!r} as a file and as a folder.")


def _check(path: str, source: str) -> None:
    parts = path.split("/")
    bad = (
        len(path) > _LONGEST
        or len(parts) > _DEEPEST
        or "\\" in path
        or not path.isprintable()
        or any(part in {"", ".", ".."} or len(part.encode()) > _LONGEST_PART for part in parts)
        or (len(path) > 1 and path[1] == ":")
    )
    if bad:
        raise InvalidModelEntry(
            f"{source} holds a file called {path[:200]!r}; only plain relative paths are taken. Pack the model again."
        )


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()
