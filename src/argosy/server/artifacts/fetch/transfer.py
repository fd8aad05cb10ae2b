"""One file from where it is into the cache: continued, checked, published."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from argosy.core.errors import CorruptModel
from argosy.server.artifacts.cache.digests import Digest, sha256_of
from argosy.server.artifacts.cache.layout import Layout
from argosy.server.artifacts.cache.manifest import File
from argosy.server.artifacts.cache.partial import Partial, hold
from argosy.server.artifacts.fetch.progress import Event, Listener, Step
from argosy.server.artifacts.fetch.retry import Attempts, Patience, Stopped, Transient
from argosy.server.artifacts.fetch.web import Location, Reply, WebClient

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to fetch.

    Attributes:
        path: in the source.
        size: bytes, None when only the server knows.
        digest: what the content must be.
        locate: asks where the file is read; called again for each try, because addresses expire.
    """

    path: str
    size: int | None
    digest: Digest
    locate: Callable[[], Location]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What all files of one fetch share.

    Attributes:
        source: as `str(reference)` writes it.
        stop: set when the fetch ends, so that no thread goes on.
    """

    source: str
    layout: Layout
    client: WebClient
    patience: Patience
    listener: Listener
    stop: threading.Event

    def receive(self, wanted: Wanted) -> File:
        """The file, in the cache and whole.

        Raises:
            SourceUnavailable: it cannot be had.
            CorruptModel: what the server sends is not what it should be.
            Stopped: the fetch ended meanwhile.
            OSError: it cannot be written.
        """
        told = Event(Step.FILE, self.source, wanted.path, total=wanted.size or 0)
        with hold(self.layout, wanted.digest, lambda: self._tell(told, Step.WAIT)) as partial:
            if (found := self.present(wanted)) is not None:
                partial.drop()
                return found
            self._tell(replace(told, done=partial.size), Step.FILE)
            sha256, size = self._fill(wanted, partial)
            partial.publish(self.layout, sha256)
        self._tell(replace(told, done=size, total=size), Step.FILE_DONE)
        return File(wanted.path, size, sha256)

    def present(self, wanted: Wanted) -> File | None:
        """The file as the cache has it, when it is there and, read in full, what it should be."""
        if wanted.digest.kind != "sha256":
            return None
        blob = self.layout.blob(wanted.digest.text)
        if not blob.is_file():
            return None
        if sha256_of(blob) != wanted.digest.text:
            # Replaced below; whoever has it open keeps what it reads.
            return None
        return File(wanted.path, blob.stat().st_size, wanted.digest.text)

    def again(self, what: str, call: Callable[[], Result]) -> Result:
        """The result of `call`, tried again while it fails for a reason that may pass."""
        attempts = Attempts(what, self.patience, self.stop)
        while True:
            try:
                return call()
            except Transient as cause:
                self.listener(Event(Step.RETRY, self.source, message=cause.message))
                attempts.failed(cause)

    def _fill(self, wanted: Wanted, partial: Partial) -> tuple[str, int]:
        """Receive what is missing; the SHA-256 and size of the whole."""
        attempts = Attempts(f"{wanted.path} of {self.source}", self.patience, self.stop)
        fresh = partial.size == 0
        while True:
            before = partial.size
            try:
                return self._attempt(wanted, partial)
            except Transient as cause:
                self.listener(Event(Step.RETRY, self.source, wanted.path, message=cause.message))
                if partial.size > before:
                    attempts.gained()
                attempts.failed(cause)
            except _Wrong as wrong:
                if fresh:
                    partial.drop()
                    raise CorruptModel(
                        f"{wanted.path} of {self.source} is not what it should be: {wrong}. Nothing of it is kept. "
                        "Check the source; a proxy on the way may have changed it."
                    ) from None
                # The part that an earlier run left may be of something else.
                partial.restart()
                fresh = True

    def _attempt(self, wanted: Wanted, partial: Partial) -> tuple[str, int]:
        hashes = _Hashes(wanted)
        partial.feed(hashes)
        if wanted.size is None or partial.size < wanted.size:
            self._continue(wanted, partial, hashes)
        partial.file.flush()
        if wanted.size is not None and partial.size < wanted.size:
            raise Transient(f"the connection ended after {partial.size} of {wanted.size} bytes")
        hashes.check(wanted, partial.size)
        return hashes.sha256.hexdigest(), partial.size

    def _continue(self, wanted: Wanted, partial: Partial, hashes: _Hashes) -> None:
        start = partial.size
        with self.client.read(wanted.locate(), start) as reply:
            if reply is None:
                return
            if reply.start != start:
                partial.restart()
                hashes.reset(wanted)
            total = wanted.size if wanted.size is not None else reply.total
            try:
                self._take(wanted, reply, partial, hashes, total)
            finally:
                # What arrived before a failure counts, for the next try and the next run.
                partial.file.flush()

    def _take(self, wanted: Wanted, reply: Reply, partial: Partial, hashes: _Hashes, total: int | None) -> None:
        done = reply.start
        for chunk in reply.chunks:
            if self.stop.is_set():
                raise Stopped
            done += len(chunk)
            if total is not None and done > total:
                raise _Wrong(f"it is longer than {total} bytes")
            partial.file.write(chunk)
            hashes.update(chunk)
            self.listener(Event(Step.PROGRESS, self.source, wanted.path, done, total or 0))

    def _tell(self, event: Event, step: Step) -> None:
        self.listener(replace(event, step=step))


class _Wrong(Exception):
    """The bytes cannot be those wanted; the text says why."""


class _Hashes:
    """The hash a blob is named by, and the one the source is pinned by."""

    def __init__(self, wanted: Wanted) -> None:
        self.reset(wanted)

    def reset(self, wanted: Wanted) -> None:
        self.sha256 = hashlib.sha256()
        self._pin = None if wanted.digest.kind == "sha256" else wanted.digest.start(wanted.size or 0)

    def update(self, data: bytes, /) -> None:
        self.sha256.update(data)
        if self._pin is not None:
            self._pin.update(data)

    def hexdigest(self) -> str:
        return (self._pin or self.sha256).hexdigest()

    def check(self, wanted: Wanted, size: int) -> None:
        if wanted.size is not None and size > wanted.size:
            raise _Wrong(f"it has {size} bytes where {wanted.size} are expected")
        if self.hexdigest() != wanted.digest.text:
            raise _Wrong(f"its {wanted.digest.kind} hash is {self.hexdigest()} where {wanted.digest.text} is expected")
