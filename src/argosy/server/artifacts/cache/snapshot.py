"""A source's files under their own names, as a folder of links to blobs."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from argosy.server.artifacts.cache.digests import sha256_of
from argosy.server.artifacts.cache.layout import Layout
from argosy.server.artifacts.cache.manifest import File, Manifest
from argosy.server.artifacts.cache.workspace import workspace

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV})


def snapshot(layout: Layout, manifest: Manifest) -> Path:
    """The folder of a manifest's files, made when it is not there; links are relative, so the cache may be moved.

    Raises:
        OSError: it cannot be written.
    """
    target = layout.snapshots / manifest.identity[:16]
    if _is_whole(layout, manifest, target):
        return target
    rigid = _rigid(manifest)
    layout.snapshots.mkdir(parents=True, exist_ok=True)
    with workspace(layout, "snapshot") as work:
        made = work / "new"
        for file in manifest.files:
            link = made / file.path
            link.parent.mkdir(parents=True, exist_ok=True)
            if file in rigid:
                _link_hard(layout.blob(file.sha256), link)
            else:
                link.symlink_to(_relative(layout, target / file.path, file.sha256))
        try:
            if target.exists():
                target.rename(work / "old")
            made.rename(target)
        except OSError:
            # Another process may have made the same one first.
            if not _is_whole(layout, manifest, target):
                raise
    return target


def _is_whole(layout: Layout, manifest: Manifest, folder: Path) -> bool:
    rigid = _rigid(manifest)
    try:
        return all(_leads(layout, folder / file.path, file, hard=file in rigid) for file in manifest.files)
    except OSError:
        return False


def _leads(layout: Layout, link: Path, file: File, *, hard: bool) -> bool:
    if not hard:
        return link.readlink() == Path(_relative(layout, link, file.sha256))
    # A repaired blob is another file; one on a disk without hard links was copied.
    blob = layout.blob(file.sha256)
    return not link.is_symlink() and (link.samefile(blob) or (link.stat().st_nlink == 1 and _same(link, file)))


def _same(copy: Path, file: File) -> bool:
    return copy.stat().st_size == file.size and sha256_of(copy) == file.sha256


def _rigid(manifest: Manifest) -> frozenset[File]:
    """ONNX files and what lies beside them: OpenVINO refuses weights behind a symbolic link."""
    folders = {file.path.rpartition("/")[0] for file in manifest.files if file.path.lower().endswith(".onnx")}
    return frozenset(file for file in manifest.files if file.path.rpartition("/")[0] in folders)


def _link_hard(blob: Path, link: Path) -> None:
    try:
        link.hardlink_to(blob)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        shutil.copyfile(blob, link)


def _relative(layout: Layout, link: Path, sha256: str) -> str:
    return os.path.relpath(layout.blob(sha256), link.parent)
