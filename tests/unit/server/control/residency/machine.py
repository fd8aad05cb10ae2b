"""A supervisor and its gateway workers in one process: real link, real doors, real engines, no web server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import numpy as np

from argosy.core.deadline import Deadline
from argosy.core.residency import ResidenceState
from argosy.core.status import ModelState, ModelStatus
from argosy.core.tensors import text_tensor
from argosy.runtime.contract import InferRequest
from argosy.runtime.memory import MemoryRuntime
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.admission.lane import Limits
from argosy.server.admission.residents import Residents
from argosy.server.artifacts.library import Library
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.link import StatusFollower, StatusPublisher
from argosy.server.control.messages import Snapshot
from argosy.server.control.models import ServedModels
from argosy.server.control.residency.eviction import EvictionOptions
from argosy.server.control.residency.leases import Leases
from argosy.server.control.residency.residency import Residency, ResidencyOptions
from argosy.server.control.roster import Roster
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.plane import DataPlane
from argosy.server.text.templates import ChatTemplates
from argosy.store.entries import ModelEntry
from argosy.telemetry.metrics import Metrics

SIZE = 20


class Host(MemoryRuntime):
    """A runtime that counts, and that can be told what its models take and which do not load."""

    def __init__(self, entries: list[ModelEntry]) -> None:
        super().__init__(entries)
        self.loads: list[str] = []
        self.most = 0
        self.sizes: dict[str, int] = {}
        self.broken: set[str] = set()
        self.may_load = asyncio.Event()
        self.may_load.set()

    @property
    def resident(self) -> set[str]:
        return {name for name, model in self.status.models.items() if model.state is ModelState.READY}

    async def load(self, entry: ModelEntry) -> ModelStatus:
        self.loads.append(entry.name)
        await self.may_load.wait()
        if entry.name in self.broken:
            return ModelStatus(entry.name, ModelState.FAILED, "weights are damaged")
        status = await super().load(entry)
        self.most = max(self.most, len(self.resident))
        return status

    def report(self, model: ModelStatus) -> None:
        """Have a model fail as after a repair."""
        self._report(model)

    def memory(self) -> Mapping[str, int]:
        return {name: size for name, size in self.sizes.items() if name in self.resident}


class Worker:
    """One gateway worker without its web server."""

    def __init__(self, path: Path, runtime: Host, *, wait: float, limits: Limits | None) -> None:
        self.catalog, self.board, self.metrics = Catalog(), StatusBoard(), Metrics()
        self.admission = Admission(self.metrics, limits)
        self.templates = ChatTemplates()
        self.follower = StatusFollower(path, self._hear, self._lost)
        self.residents = Residents(self.admission, self.board, self.follower.lease, wait=wait, interval=0.02)
        self.plane = DataPlane.over(runtime, self.board, self.admission, self.metrics, residents=self.residents)
        self.roster = Roster(
            self.catalog,
            self.templates,
            self.board,
            admission=self.admission,
            drain=Drain(),
            report=self.follower.report,
            release=self._release,
            drain_seconds=5.0,
            residents=self.residents,
        )

    def _hear(self, snapshot: Snapshot) -> None:
        self.roster.hear(snapshot)

    def _lost(self) -> None:
        self.roster.lost()

    async def _release(self) -> None:
        return

    async def start(self) -> None:
        await self.residents.start()
        await self.follower.start()
        await self.roster.start()

    async def stop(self) -> None:
        await self.roster.stop()
        await self.follower.stop()
        await self.residents.stop()

    async def ask(self, model: str, text: str = "hello", seconds: float = 30.0) -> str:
        """What the model says."""
        request = InferRequest(model, {"text": text_tensor([text])})
        call = Call(deadline=Deadline.after(seconds), size=1)
        answer = await self.plane.tensors.infer(self.catalog.get(model), request, call)
        return bytes(np.asarray(answer.outputs["text"]).ravel()[0]).decode()


class Machine:
    """A machine that holds so many models of equal size."""

    def __init__(
        self,
        folder: Path,
        entries: list[ModelEntry],
        *,
        holds: int = 0,
        pinned: frozenset[str] = frozenset(),
        idle_timeout: float = 0.0,
        wait: float = 20.0,
        workers: int = 2,
        limits: Limits | None = None,
        on_demand: bool = True,
        footprint: Callable[[ModelEntry], int] = lambda _entry: SIZE,
    ) -> None:
        self.entries = entries
        self.runtime = Host([entry for entry in entries if entry.name in pinned or not on_demand])
        self.leases = Leases()
        path = folder / "link.sock"
        self.publisher = StatusPublisher(path, self.runtime.suspect, self.leases)
        policy = EvictionOptions(holds * SIZE, idle_timeout, quantum=0.05)
        options = ResidencyOptions(on_demand=on_demand, pinned=pinned, policy=policy, wait=wait, measure=0.05)
        self.residency = Residency(self.runtime, self.publisher, self.leases, options, footprint=footprint)
        library = Library(entries, [folder / "store"])
        self.models = ServedModels(
            self.runtime, entries, library, self.publisher, drain_seconds=5.0, residency=self.residency
        )
        self.workers = [Worker(path, self.runtime, wait=wait, limits=limits) for _ in range(workers)]

    async def start(self) -> None:
        await self.publisher.start(self.models)
        self.runtime.subscribe(self.models.on_status)
        self.models.on_status(self.runtime.status)
        await self.runtime.start()
        await self.models.start()
        for worker in self.workers:
            await worker.start()

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()
        await self.models.stop()
        await self.models.end()
        await self.runtime.stop()
        await self.publisher.stop()

    async def __aenter__(self) -> Machine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def state(self, name: str) -> ResidenceState | None:
        residence = self.residency.residence(name)
        return residence.state if residence is not None else None

    async def ask(self, model: str, text: str = "hello", worker: int = 0) -> str:
        return await self.workers[worker].ask(model, text)


async def until(reached: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something that must happen."""
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.005)
