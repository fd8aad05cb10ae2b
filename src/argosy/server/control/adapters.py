"""Adapters that come and go while the server runs."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from argosy.core.errors import ArgosyError, InvalidModelEntry, ModelLoadFailed
from argosy.core.status import ModelState, RuntimeStatus
from argosy.server.artifacts.adapters.folder import AdapterFolder, Scan
from argosy.server.artifacts.library import Library
from argosy.server.control.models import ServedModels
from argosy.store.entries import ModelEntry

log = logging.getLogger(__name__)


class Status(Protocol):
    """The part of a runtime that is asked here."""

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        ...


class AdapterWatcher:
    """Loads adapters that appear or change in a folder and unloads those that are taken away.

    Guarantees: one adapter's trouble never touches another model; a changed adapter that cannot be served leaves the
    former one serving; an adapter that an operator unloaded stays so until its files change; a folder that cannot be
    read for a while changes nothing.

    Args:
        folder: looked at every `interval` seconds; never again after the start when that is 0.
        first: what the look before the start found; its entries are wanted by the runtime already.
    """

    def __init__(
        self,
        folder: AdapterFolder,
        models: ServedModels,
        library: Library,
        runtime: Status,
        *,
        first: Scan,
        interval: float,
    ) -> None:
        self._folder = folder
        self._models = models
        self._library = library
        self._runtime = runtime
        self._interval = interval
        self._entries = {entry.name: entry for entry in first.entries}
        self._told: dict[str, str] = {}
        self._first = first
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Give up adapters that did not load at the start, and watch from now on."""
        self._report(self._first)
        for name in list(self._entries):
            status = self._runtime.status.models.get(name)
            if status is not None and status.state is ModelState.FAILED:
                await self._give_up(name)
                self._tell(name, status.reason)
        if self._interval:
            self._task = asyncio.create_task(self._watch(), name="adapters")

    async def stop(self) -> None:
        """Watch no longer; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._follow(await asyncio.to_thread(self._folder.scan, self._interval))
            except InvalidModelEntry as error:
                log.warning("%s Adapters stay as they are.", error.message)
            except Exception:
                log.exception("The adapters could not be brought up to date")

    async def _follow(self, scan: Scan) -> None:
        self._report(scan)
        for name in [name for name in self._entries if name not in scan.present]:
            await self._drop(name)
        for entry in scan.entries:
            known = self._entries.get(entry.name)
            if known is None or known.directory != entry.directory:
                await self._take(entry)

    async def _give_up(self, name: str) -> None:
        try:
            await self._models.unload(name)
        except ArgosyError as error:
            # The runtime fails just now; it heals by itself and is not told of this model again.
            log.warning("The adapter %s, which did not load, could not be unloaded: %s", name, error.message)

    async def _drop(self, name: str) -> None:
        log.info("The adapter %s was taken away.", name)
        try:
            await self._models.unload(name)
        except ArgosyError as error:
            log.warning("The adapter %s could not be unloaded and will be tried again: %s", name, error.message)
            return
        del self._entries[name]
        self._library.remove(name)
        self._models.note(name, "")

    async def _take(self, entry: ModelEntry) -> None:
        former = self._entries.get(entry.name)
        self._library.put(entry)
        try:
            await self._models.load(entry.name)
        except ModelLoadFailed as error:
            log.warning("%s", error.message)
            if former is not None:
                self._library.put(former)
        except ArgosyError as error:
            log.warning("The adapter %s could not be loaded and will be tried again: %s", entry.name, error.message)
            if former is None:
                # Its folder may be gone by then.
                self._library.remove(entry.name)
            else:
                self._library.put(former)
            return
        # Also after a failure: the same files would fail again.
        self._entries[entry.name] = entry

    def _report(self, scan: Scan) -> None:
        """Say what is new about folders that are not served, and forget what no longer holds."""
        for name in [name for name in self._told if name not in scan.problems and name not in scan.warnings]:
            del self._told[name]
            if name not in scan.present:
                self._models.note(name, "")
        for name, reason in scan.problems.items():
            self._tell(name, reason)
        for name, warning in scan.warnings.items():
            if self._told.get(name) != warning:
                self._told[name] = warning
                log.warning("%s", warning)

    def _tell(self, name: str, reason: str) -> None:
        if self._told.get(name) != reason:
            self._told[name] = reason
            log.warning("The adapter %s is not served: %s", name, reason)
        self._models.note(name, reason)
