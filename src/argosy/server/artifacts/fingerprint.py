"""Whether a source is still what an entry was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from argosy.core.errors import InvalidModelEntry

# Grows when the same source would give another entry.
REVISION = 4
"""Of what an entry made of one source looks like."""
_MOST_FILES = 2000
_WHOLE = 1 << 20
_EDGE = 64 << 10
_SUBFOLDERS = ("onnx", "openvino", "*_Pooling", "*_Normalize", "*_Dense")


def fingerprint(path: Path, files: Iterable[Path] | None = None) -> str:
    """A text that changes when the source at `path` does.

    Files up to 1 MiB count with their content; of larger ones the size, the time of change and both ends count, so
    that starting up does not read gigabytes.

    Args:
        path: the file or folder.
        files: what belongs to the source; None means the folder's files and those of the folders a model is kept in.

    Raises:
        InvalidModelEntry: the folder has too many files to be one model, or one cannot be read.
    """
    digest = hashlib.sha256(f"{REVISION}\0{path.resolve()}".encode(errors="surrogateescape"))
    try:
        for file in sorted(_model_files(path) if files is None else files):
            digest.update(f"\0{file.relative_to(path.parent)}\0".encode(errors="surrogateescape"))
            digest.update(_content(file))
    except OSError as error:
        raise InvalidModelEntry(f"{path} cannot be read: {error.strerror or error}.") from error
    return f"sha256:{digest.hexdigest()}"


def _model_files(folder: Path) -> Iterator[Path]:
    count = 0
    for part in (folder, *(found for pattern in _SUBFOLDERS for found in sorted(folder.glob(pattern)))):
        for file in part.iterdir() if part.is_dir() else ():
            if file.is_file():
                yield file
            count += 1
            if count > _MOST_FILES:
                raise InvalidModelEntry(f"{folder} holds more than {_MOST_FILES} files; name the model's own folder.")


def _content(file: Path) -> bytes:
    status = file.stat()
    with file.open("rb") as opened:
        if status.st_size <= _WHOLE:
            return hashlib.sha256(opened.read(_WHOLE)).digest()
        head = opened.read(_EDGE)
        opened.seek(-_EDGE, 2)
        digest = hashlib.sha256(head + opened.read(_EDGE))
    digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    return digest.digest()
