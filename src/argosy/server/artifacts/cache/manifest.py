"""What a source consists of: which files, how large, with which hashes, from where and under which licence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import ConfigurationError, CorruptModel
from argosy.server.artifacts.cache.layout import Layout, sync_folder
from argosy.server.artifacts.cache.members import check_members

_SCHEMA = 1
_LARGEST = 16 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a source.

    Attributes:
        path: relative, with `/` between the parts.
        size: bytes.
        sha256: names the blob that holds it.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One source as it was fetched.

    Attributes:
        source: as `str(reference)` writes it.
        version: the commit, or the archive's hash; empty when there is none.
        license: as the source states it, or empty.
        files: by path.
        weights_only: whether the files are weights without a network, for engines that take these, or to convert.
    """

    source: str
    version: str
    license: str
    files: tuple[File, ...]
    weights_only: bool = False

    @property
    def identity(self) -> str:
        """A hash of the files; the same for the same content from anywhere."""
        lines = "\n".join(f"{file.sha256} {file.size} {file.path}" for file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def read_manifest(layout: Layout, source: str) -> Manifest | None:
    """The manifest of `source` (`str(reference)`), or None when there is none or some of its files are missing.

    Raises:
        CorruptModel: the manifest is not what was written.
        ConfigurationError: it may not be read.
    """
    path = _path(layout, source)
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_LARGEST))
        manifest = _decode(data, source)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}. Run as a user who may, or name another cache: --cache FOLDER or "
            "ARGOSY_CACHE."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptModel(f"{path} is damaged ({error}). Fetch the model again: argosy pull {source}") from error
    return manifest if all(is_whole(layout, file) for file in manifest.files) else None


def is_whole(layout: Layout, file: File) -> bool:
    """Whether a blob of the right size is there; its content is not read."""
    try:
        return layout.blob(file.sha256).stat().st_size == file.size
    except OSError:
        return False


def write_manifest(layout: Layout, manifest: Manifest, *sources: str) -> None:
    """Publish a manifest under its own source and further ones, each at once or not at all."""
    layout.manifests.mkdir(parents=True, exist_ok=True)
    for source in dict.fromkeys((manifest.source, *sources)):
        data = {
            "schema": _SCHEMA,
            "source": source,
            "version": manifest.version,
            "license": manifest.license,
            "weights_only": manifest.weights_only,
            "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in manifest.files],
        }
        write_whole(_path(layout, source), json.dumps(data, indent=1).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its name never leads to a part of it."""
    handle, staged = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        os.replace(staged, path)  # noqa: PTH105 - the name came from mkstemp
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def manifests(layout: Layout) -> Iterator[Manifest]:
    """Every readable manifest."""
    for path in sorted(layout.manifests.glob("*.json")):
        try:
            data = json.loads(path.read_bytes())
            yield _decode(data, str(data["source"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _path(layout: Layout, source: str) -> Path:
    readable = re.sub(r"[^a-z0-9._-]+", "-", source.partition("://")[2].partition("#")[0].lower()).strip("-.")[-48:]
    return layout.manifests / f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:16]}.json"


def _decode(data: Mapping[str, Any], source: str) -> Manifest:
    if data["schema"] != _SCHEMA or data["source"] != source:
        raise ValueError("it belongs to another source or version")
    files = tuple(File(str(item["path"]), int(item["size"]), str(item["sha256"])) for item in data["files"])
    if not files or any(_SHA256.fullmatch(file.sha256) is None or file.size < 0 for file in files):
        raise ValueError("it lists no files, or one without a hash")
    check_members([file.path for file in files], source)
    return Manifest(source, str(data["version"]), str(data["license"]), files, bool(data["weights_only"]))
