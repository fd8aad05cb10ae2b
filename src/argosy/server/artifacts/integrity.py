"""Whether the files of an entry are still those it was built of.

An entry made of a fetched source carries `files.json`: the SHA-256, size and stamp of every file, its own config and
spec included. The stamp (size, time of change, inode) tells at every load, without reading gigabytes, that nobody wrote
to a file; when it differs, as after a copy to another disk, the file is read and hashed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import CorruptModel, InvalidModelEntry
from argosy.server.artifacts.cache.digests import sha256_of
from argosy.server.artifacts.cache.manifest import write_whole
from argosy.store.entries import read_spec

RECORD_FILE = "files.json"
_LARGEST = 16 << 20
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Known:
    sha256: str
    stamp: _Stamp


def record(directory: Path, expected: Mapping[str, str]) -> None:
    """Write `files.json` for the entry in `directory`, reading every file back from the disk.

    Args:
        directory: an entry that nobody uses yet.
        expected: SHA-256 by path below `directory`, for files whose hash is known from elsewhere.

    Raises:
        CorruptModel: a file read back is not what it should be.
        OSError: a file cannot be read or the record not be written.
    """
    known: dict[str, _Known] = {}
    for path, file in _files(directory):
        stamp = _stamp(file)
        digest = sha256_of(file)
        if path in expected and digest != expected[path]:
            raise _corrupt(directory, [path])
        known[path] = _Known(digest, stamp)
    _write(directory, known)


def is_recorded(directory: Path) -> bool:
    """Whether the entry says what its files must be."""
    return (directory / RECORD_FILE).is_file()


def check(directory: Path, *, full: bool = False) -> None:
    """Refuse an entry whose files are not those recorded; one without a record is taken as it is.

    Args:
        directory: of the entry.
        full: read and hash every file, whatever its stamp.

    Raises:
        CorruptModel: a file was changed, is missing or was added; the message names it and what repairs it.
    """
    known = _read(directory)
    if known is None:
        return
    bad, moved = [], False
    found = dict(_files(directory))
    for path, expected in known.items():
        file = found.pop(path, None)
        state = None if file is None else _compare(file, expected, full=full)
        if state is None:
            bad.append(path)
        elif file is not None and state != expected.stamp:
            known[path] = _Known(expected.sha256, state)
            moved = True
    if bad or found:
        raise _corrupt(directory, sorted({*bad, *found}))
    if moved:
        _remember(directory, known)


def _compare(file: Path, expected: _Known, *, full: bool) -> _Stamp | None:
    """The stamp of a file that is as recorded, None when it is not."""
    try:
        stamp = _stamp(file)
        if stamp == expected.stamp and not full:
            return stamp
        if stamp[0] != expected.stamp[0] or sha256_of(file) != expected.sha256:
            return None
    except OSError:
        return None
    return stamp


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not path.is_dir() and name != RECORD_FILE:
            yield name, path


def _stamp(file: Path) -> _Stamp:
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read(directory: Path) -> dict[str, _Known] | None:
    path = directory / RECORD_FILE
    try:
        with path.open("rb") as file:
            data: Any = json.loads(file.read(_LARGEST))
        return {name: _Known(str(item["sha256"]), _numbers(item["stamp"])) for name, item in data["files"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptModel(f"{path} is damaged ({error}). {_remedy(directory)}") from error


def _numbers(values: Any) -> _Stamp:
    size, changed, inode = values
    return int(size), int(changed), int(inode)


def _write(directory: Path, known: Mapping[str, _Known]) -> None:
    files = {path: {"sha256": item.sha256, "stamp": list(item.stamp)} for path, item in known.items()}
    write_whole(directory / RECORD_FILE, json.dumps({"schema": 1, "files": files}, indent=1).encode())


def _remember(directory: Path, known: Mapping[str, _Known]) -> None:
    """Note the new stamps, so that the next check is short; a cache mounted read-only is checked in full again."""
    if os.access(directory, os.W_OK):
        try:
            _write(directory, known)
        except OSError:
            return


def _corrupt(directory: Path, paths: list[str]) -> CorruptModel:
    names = ", ".join(paths[:5]) + (" and more" if len(paths) > 5 else "")
    return CorruptModel(
        f"The model in {directory} is damaged and is not loaded: {names} changed since it was fetched. "
        f"{_remedy(directory)}"
    )


def _source(directory: Path) -> str:
    """What the entry was fetched by, as far as its spec can still be read."""
    try:
        source = read_spec(directory).source
    except InvalidModelEntry:
        return "MODEL, with the name it was fetched by"
    return str(source.get("fetched") or "MODEL, with the name it was fetched by")


def _remedy(directory: Path) -> str:
    return f"Fetch it again: argosy pull {_source(directory)}"
