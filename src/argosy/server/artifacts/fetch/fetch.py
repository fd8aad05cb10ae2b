"""Fetch a source into the cache, or find it there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from argosy.core.errors import CorruptModel, NotCached
from argosy.server.artifacts.archives.unpack import is_archive, unpack
from argosy.server.artifacts.cache.digests import Digest
from argosy.server.artifacts.cache.layout import Layout, check_space, writing
from argosy.server.artifacts.cache.manifest import File, Manifest, manifests, read_manifest, write_manifest
from argosy.server.artifacts.cache.workspace import sweep
from argosy.server.artifacts.fetch import selection
from argosy.server.artifacts.fetch.hub import DEFAULT_ENDPOINT, Hub, Listing, RemoteFile
from argosy.server.artifacts.fetch.progress import Event, Listener, Step, quiet
from argosy.server.artifacts.fetch.retry import Patience, Stopped
from argosy.server.artifacts.fetch.transfer import Transfer, Wanted
from argosy.server.artifacts.fetch.web import Location, WebClient
from argosy.server.artifacts.reference import HubReference, Reference, WebReference
from argosy.server.artifacts.refusals import CONFIGS, refuse_remote_code

_LARGEST_CONFIG = 8 << 20


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How sources are fetched.

    Attributes:
        offline: take what is in the cache and open no connection at all.
        token: of the hub's user, or empty.
        endpoint: the hub's address.
        parallel: files fetched at once.
        patience: how often a failing request is tried again.
    """

    offline: bool = False
    token: str = field(default="", repr=False)
    endpoint: str = DEFAULT_ENDPOINT
    parallel: int = 4
    patience: Patience = field(default_factory=Patience)


class Fetcher:
    """Fills one cache.

    Guarantees: a manifest is written only when every file it lists is in the cache and was checked against its hash;
    what was received of a file before a failure, even a kill, is continued by the next fetch; offline, no connection is
    opened and no name is looked up.
    """

    def __init__(self, cache: Path, options: FetchOptions, listener: Listener = quiet) -> None:
        self.layout = Layout(cache)
        self._options = options
        self._listener = listener

    def fetch(self, reference: Reference, *, refresh: bool = False) -> Manifest:
        """What the source consists of; its files are in the cache then.

        Args:
            reference: where it is.
            refresh: ask the source for a newer form, and read again what the cache has of it; without it a source
                that is in the cache is not asked at all.

        Raises:
            NotCached: offline, and it is not in the cache.
            SourceUnavailable: it cannot be had.
            InvalidModelEntry: it holds nothing that may be served.
            CorruptModel: what arrives is not what it should be.
            StorageFull: the disk has no room.
            ConfigurationError: the cache cannot be written.
        """
        known = self._known(reference)
        if known is not None and (self._options.offline or not refresh):
            return known
        if self._options.offline:
            verb = "convert" if isinstance(reference, HubReference) and reference.weights else "pull"
            source = str(reference).removesuffix("#weights")
            raise NotCached(
                f"{source} is not in the model cache {self.layout.root}, and this process is offline. On a machine "
                f"that is not, fill the cache with: argosy {verb} {source}"
            )
        self._listener(Event(Step.RESOLVE, str(reference)))
        with writing(self.layout.root):
            sweep(self.layout.incoming)
            if isinstance(reference, HubReference):
                return self._from_hub(reference)
            return self._from_web(reference)

    def _known(self, reference: Reference) -> Manifest | None:
        try:
            return read_manifest(self.layout, str(reference))
        except CorruptModel:
            if self._options.offline:
                raise
            return None

    def _from_hub(self, reference: HubReference) -> Manifest:
        hub = Hub(self._options.endpoint, self._options.token)
        with WebClient(hub.plain_hosts) as client:
            transfer = self._transfer(reference, client)
            listing = transfer.again(str(reference), lambda: hub.listing(reference))
            choice = selection.choose(reference, listing.files)
            transfer = self._transfer(reference, client)
            configs = [file for file in choice.files if _is_config(file)]
            files = self._receive(transfer, [_wanted(hub, listing, file) for file in configs])
            self._refuse_code(files, reference)
            weights = [file for file in choice.files if not _is_config(file)]
            files += self._receive(transfer, [_wanted(hub, listing, file) for file in weights])
        ordered = tuple(sorted(files, key=lambda file: file.path))
        manifest = Manifest(str(reference), listing.commit, listing.license, ordered, choice.weights_only)
        pinned = replace(reference, revision=listing.commit)
        write_manifest(self.layout, manifest, str(pinned))
        return manifest

    def _from_web(self, reference: WebReference) -> Manifest:
        digest = Digest("sha256", reference.sha256)
        with WebClient() as client:
            transfer = self._transfer(reference, client)
            wanted = Wanted(reference.file, None, digest, lambda: Location(reference.url))
            (file,) = self._receive(transfer, [wanted])
        if not is_archive(reference.file):
            manifest = Manifest(str(reference), "", "", (file,))
            write_manifest(self.layout, manifest)
            return manifest
        manifest = self._unpacked(self.layout.blob(file.sha256), str(reference), reference.file)
        self._forget(file)
        return manifest

    def unpack_local(self, archive: Path, source: str) -> Manifest:
        """What a local archive consists of, its files in the cache.

        Args:
            archive: where it is.
            source: names the archive and its content.

        Raises:
            InvalidModelEntry: it holds what no model archive holds.
            StorageFull: the disk has no room.
            ConfigurationError: the cache cannot be written.
        """
        with writing(self.layout.root):
            known = read_manifest(self.layout, source)
            return known if known is not None else self._unpacked(archive, source, archive.name)

    def _unpacked(self, archive: Path, source: str, name: str) -> Manifest:
        self._listener(Event(Step.UNPACK, source))
        manifest = Manifest(source, "", "", unpack(archive, name, self.layout))
        write_manifest(self.layout, manifest)
        return manifest

    def _forget(self, archive: File) -> None:
        """Remove an archive whose files are in the cache now, unless it is a model's file somewhere."""
        if not any(file.sha256 == archive.sha256 for manifest in manifests(self.layout) for file in manifest.files):
            self.layout.blob(archive.sha256).unlink(missing_ok=True)

    def _transfer(self, reference: Reference, client: WebClient) -> Transfer:
        return Transfer(str(reference), self.layout, client, self._options.patience, self._listener, threading.Event())

    def _receive(self, transfer: Transfer, wanted: Sequence[Wanted]) -> list[File]:
        """All files, several at once; the first failure ends the others."""
        present = {item.path: file for item in wanted if (file := self._present(transfer, item)) is not None}
        missing = [item for item in wanted if item.path not in present]
        check_space(self.layout.root, sum(max((item.size or 0) - self._received(item), 0) for item in missing))
        received = _in_parallel([_task(transfer, item) for item in missing], self._options.parallel, transfer.stop)
        return [*present.values(), *received]

    def _present(self, transfer: Transfer, item: Wanted) -> File | None:
        found = transfer.present(item)
        if found is not None:
            self._listener(Event(Step.FILE_DONE, transfer.source, item.path, found.size, found.size, "in the cache"))
        return found

    def _received(self, item: Wanted) -> int:
        with suppress(OSError):
            return (self.layout.partial / f"{item.digest.kind}-{item.digest.text}").stat().st_size
        return 0

    def _refuse_code(self, files: Sequence[File], reference: HubReference) -> None:
        """Refuse a model whose configs ask for code, before its weights are downloaded."""
        if reference.file:
            return
        for file in files:
            if file.path in CONFIGS:
                refuse_remote_code(f"{file.path} of {reference}", _mapping(self.layout.blob(file.sha256)))


def _mapping(path: Path) -> dict[str, Any]:
    """A small JSON mapping; empty when it is none, which whoever reads it later says better."""
    with suppress(OSError, ValueError, RecursionError):
        value = json.loads(path.read_bytes()[:_LARGEST_CONFIG])
        return value if isinstance(value, dict) else {}
    return {}


def _is_config(file: RemoteFile) -> bool:
    return PurePosixPath(file.path).suffix in {".json", ".jinja", ".txt"}


def _wanted(hub: Hub, listing: Listing, file: RemoteFile) -> Wanted:
    return Wanted(file.path, file.size, file.digest, lambda: hub.locate(listing, file.path))


def _task(transfer: Transfer, item: Wanted) -> Callable[[], File]:
    return lambda: transfer.receive(item)


def _in_parallel(tasks: Sequence[Callable[[], File]], parallel: int, stop: threading.Event) -> list[File]:
    with ThreadPoolExecutor(max_workers=max(1, min(parallel, len(tasks))), thread_name_prefix="fetch") as pool:
        futures: list[Future[File]] = [pool.submit(task) for task in tasks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((future for future in futures if future.done() and future.exception() is not None), None)
        except BaseException:
            failed = None
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        if failed is not None:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise _cause(futures)
        return [future.result() for future in futures]


def _cause(futures: Sequence[Future[File]]) -> BaseException:
    """The first real failure; threads that were told to stop have none."""
    failures = [error for future in futures if not future.cancelled() and (error := future.exception()) is not None]
    return next((error for error in failures if not isinstance(error, Stopped)), failures[0])
