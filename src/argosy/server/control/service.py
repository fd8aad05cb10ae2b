"""One running Argosy: runtime, gateway workers, the link between them and who changes what is served, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from argosy.core.errors import ModelLoadFailed
from argosy.core.status import ModelState
from argosy.runtime.contract import OnStatus, RuntimeProcess
from argosy.server.control.adapters import AdapterWatcher
from argosy.server.control.link import Order, StatusPublisher
from argosy.server.control.models import ServedModels
from argosy.server.control.workers import GatewayWorkers

log = logging.getLogger(__name__)


class Office(Protocol):
    """Something beside the models that workers give orders to; see `argosy.server.jobs.linked.JobOffice`."""

    async def start(self) -> None:
        """Work from now on."""

    async def stop(self) -> None:
        """Work no longer; idempotent."""

    def orders(self) -> Mapping[str, Order]:
        """What it carries out, by verb."""
        ...


class Service:
    """Owns the parts.

    Guarantees: workers answer health routes while the runtime still loads; `stop` drains the workers before the
    runtime goes away, so that no running request loses its engine; `stop` is idempotent and also cleans up after
    a failed or interrupted `start`.
    """

    def __init__(
        self,
        runtime: RuntimeProcess,
        models: ServedModels,
        publisher: StatusPublisher,
        workers: GatewayWorkers,
        watcher: AdapterWatcher | None = None,
        office: Office | None = None,
    ) -> None:
        self._runtime = runtime
        self._models = models
        self._publisher = publisher
        self._workers = workers
        self._watcher = watcher
        self._office = office

    @property
    def runtime(self) -> RuntimeProcess:
        """The serving runtime."""
        return self._runtime

    def subscribe(self, listener: OnStatus) -> None:
        """Call `listener` at each change of the runtime's status."""
        self._runtime.subscribe(listener)

    async def start(self) -> None:
        """Come up; returns once every wanted model is ready or failed.

        Raises:
            RuntimeStartFailed: the runtime did not come up.
            MissingRequirement: the machine lacks something.
        """
        await self._publisher.start(self._models, self._office.orders() if self._office is not None else {})
        self._runtime.subscribe(self._models.on_status)
        self._models.on_status(self._runtime.status)
        await self._workers.start()
        await self._runtime.start()
        await self._models.start()
        if self._watcher is not None:
            await self._watcher.start()
        if self._office is not None:
            # Last: what it starts takes processors from models that are being loaded.
            await self._office.start()

    async def stop(self) -> None:
        """Drain and go away."""
        # Together: a job may take some seconds to end, and requests that follow it end with it.
        for failure in await asyncio.gather(self._stop_office(), self._stop_serving(), return_exceptions=True):
            if failure is not None:
                raise failure

    async def _stop_office(self) -> None:
        if self._office is not None:
            await self._office.stop()

    async def _stop_serving(self) -> None:
        if self._watcher is not None:
            await self._watcher.stop()
        await self._models.stop()
        await self._workers.stop()
        await self._models.end()
        await self._runtime.stop()
        await self._publisher.stop()

    def hurry(self) -> None:
        """End the drain now; running streams end with an error event."""
        self._workers.hurry()

    async def run(self, ended: asyncio.Event, started: Callable[[], None] = lambda: None) -> None:
        """Start, call `started`, stay until `ended` is set, stop.

        Raises:
            ModelLoadFailed: not one model could be loaded.
            RuntimeStartFailed: the runtime did not come up; everything is cleaned up by then.
            MissingRequirement: likewise.
        """
        starting = asyncio.create_task(self.start(), name="service-start")
        leaving = asyncio.create_task(ended.wait(), name="service-end")
        try:
            await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                started()
                self._check_something_serves()
                await leaving
        finally:
            for task in (starting, leaving):
                task.cancel()
            await asyncio.gather(starting, leaving, return_exceptions=True)
            await self.stop()

    def _check_something_serves(self) -> None:
        models = self._runtime.status.models.values()
        if len(models) == self._models.count and models and all(model.state is ModelState.FAILED for model in models):
            reasons = "; ".join(f"{model.name}: {model.reason}" for model in models)
            raise ModelLoadFailed(f"No model could be loaded. {reasons}")
