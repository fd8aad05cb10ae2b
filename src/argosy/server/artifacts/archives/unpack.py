"""An archive's files, put into the cache by content.

Nothing is written under a name that the archive chooses: members become numbered files in a staging folder, then blobs.
Their names go into the manifest only, after a check. So there is nothing that could slip out of a folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.archives.limits import Limits, Meter
from argosy.server.artifacts.archives.tar import Member, read_tar
from argosy.server.artifacts.archives.zip import read_zip
from argosy.server.artifacts.cache.layout import Layout, check_space, sync_folder
from argosy.server.artifacts.cache.manifest import File
from argosy.server.artifacts.cache.members import check_members
from argosy.server.artifacts.cache.workspace import workspace

_FORMS = (".zip", ".tar", ".tar.gz", ".tgz")
# What a packer leaves behind on some systems, and nobody means.
_LEFTOVERS = ("__MACOSX/", "._", ".DS_Store")
_CODE = frozenset({".py", ".pyc", ".so", ".sh", ".dll", ".dylib", ".exe"})
_PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz", ".joblib", ".keras", ".h5"})


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive."""
    return name.lower().endswith(_FORMS)


def unpack(archive: Path, name: str, layout: Layout, limits: Limits | None = None) -> tuple[File, ...]:
    """The archive's files, in the cache; without a trace when it is refused.

    Args:
        archive: where it is.
        name: its file name, which says its form.
        layout: of the cache.
        limits: what may come out at most; None means the usual.

    Raises:
        InvalidModelEntry: it is damaged, beyond a limit, or holds what no model archive holds.
        OSError: the cache cannot be written.
    """
    with workspace(layout, "unpack") as staged:
        with archive.open("rb") as file:
            meter = Meter(name, os.fstat(file.fileno()).st_size, limits or Limits())
            files = [_stage(member, number, staged) for number, member in enumerate(_members(file, name, meter))]
        kept = [(path, file) for path, file in files if not _is_leftover(file.path)]
        check_members([file.path for _, file in kept], name)
        if not kept:
            raise InvalidModelEntry(f"{name} holds no file.")
        for path, content in kept:
            _publish(path, content, layout)
        return tuple(sorted((file for _, file in kept), key=lambda file: file.path))


def _members(file: BinaryIO, name: str, meter: Meter) -> Iterator[Member]:
    if name.lower().endswith(".zip"):
        return read_zip(file, name, meter)
    return read_tar(file, name, meter, gzipped=name.lower().endswith("gz"))


def _stage(member: Member, number: int, folder: Path) -> tuple[Path, File]:
    path = member.path.removeprefix("./")
    _refuse_code(path)
    check_members([path], "The archive")
    check_space(folder, member.size)
    digest = hashlib.sha256()
    staged = folder / str(number)
    with staged.open("xb") as file:
        for chunk in member.chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    return staged, File(path, member.size, digest.hexdigest())


def _refuse_code(path: str) -> None:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _CODE:
        raise InvalidModelEntry(
            f"The archive holds code ({path[:200]!r}), which is never run for a model; leave it out."
        )
    if suffix in _PICKLES:
        raise InvalidModelEntry(
            f"The archive holds {path[:200]!r}, a format that can carry code (pickle); leave it out. Weights belong in "
            "safetensors, ONNX, OpenVINO or GGUF files."
        )


def _publish(staged: Path, file: File, layout: Layout) -> None:
    target = layout.blob(file.sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    sync_folder(target.parent)


def _is_leftover(path: str) -> bool:
    return path.startswith(_LEFTOVERS[0]) or PurePosixPath(path).name.startswith(_LEFTOVERS[1:])
