"""Loading and unloading while the server runs: the supervisor's side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    InvalidModelEntry,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    RuntimeFailure,
    UnsupportedParameter,
)
from argosy.core.residency import ResidenceState
from argosy.core.status import ModelState, ModelStatus, RuntimeStatus
from argosy.runtime.contract import RuntimeProcess
from argosy.server.control.messages import Progress, ServedEntry, Snapshot
from argosy.server.control.orders import Orders, Verb
from argosy.server.control.repository import RepositoryEntry, RepositoryState, check_model_name
from argosy.server.control.residency.residency import Residency
from argosy.store.entries import ModelEntry

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 15.0
_END_SECONDS = 5.0
_HEAL_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_SETTLED = frozenset({ModelState.READY, ModelState.FAILED})
_RESIDENCES = {
    ResidenceState.UNLOADED: RepositoryState.UNAVAILABLE,
    ResidenceState.LOADING: RepositoryState.LOADING,
    ResidenceState.DRAINING: RepositoryState.UNLOADING,
    ResidenceState.FAILED: RepositoryState.UNAVAILABLE,
}
_UNDER_WAY = {Verb.LOAD: RepositoryState.LOADING, Verb.UNLOAD: RepositoryState.UNLOADING}
_UNLOADED = "unloaded"
_ASLEEP = "not in memory; a request makes it load"


class Shelf(Protocol):
    """Where models come from; see `argosy.server.artifacts.library.Library`."""

    def find(self, name: str) -> ModelEntry:
        """The entry of that name, read from disk now."""
        ...

    def versions(self) -> dict[str, str]:
        """The newest version of every model by name."""
        ...


class Audience(Protocol):
    """Those who are told what is served; see `argosy.server.control.link.StatusPublisher`."""

    def publish(self, snapshot: Snapshot) -> None:
        """Tell every worker."""

    async def reached(self, goal: Callable[[Progress], bool], seconds: float) -> bool:
        """Wait until `goal` holds for every worker."""
        ...

    def problems(self) -> dict[str, str]:
        """Why a worker cannot serve a model, by model."""
        ...


@dataclass(slots=True)
class _Served:
    entry: ModelEntry
    stamp: int
    required: bool


class ServedModels:
    """The desired state, and the `ModelRepository` that changes it.

    A model loaded here is listed once it answers. One that is unloaded is first listed no longer, then its last
    requests end (those that take longer than the drain time are ended), then the runtime lets it go. A model that
    was wanted at the start is listed from the start, whatever its state.

    Args:
        runtime: started and stopped by somebody else.
        wanted: the models of the start.
        shelf: where models are found by name.
        audience: the gateway workers.
        drain_seconds: how long requests for an unloaded model may go on.
        residency: decides which of the models served are in memory; None leaves all of them there.
    """

    def __init__(
        self,
        runtime: RuntimeProcess,
        wanted: Iterable[ModelEntry],
        shelf: Shelf,
        audience: Audience,
        *,
        drain_seconds: float,
        residency: Residency | None = None,
    ) -> None:
        self._runtime = runtime
        self._residency = residency
        self._host = residency or runtime
        self._shelf = shelf
        self._audience = audience
        self._drain_seconds = drain_seconds
        self._served = {entry.name: _Served(entry, 0, required=entry.spec.parent is None) for entry in wanted}
        self._required = frozenset(name for name, served in self._served.items() if served.required)
        self._failures: dict[str, str] = {}
        self._revision = 0
        self._stamp = 0
        self._orders = Orders(self._carry_out)
        if residency is not None:
            residency.know(model.entry for model in self._served.values())

    @property
    def count(self) -> int:
        """How many models are served, in memory or not."""
        return len(self._served)

    def on_status(self, status: RuntimeStatus) -> None:
        """Tell the workers how the runtime stands now."""
        served = tuple(
            ServedEntry(name, str(model.entry.directory), model.stamp, model.required and not self._may_sleep(name))
            for name, model in self._served.items()
        )
        if self._residency is None:
            self._audience.publish(Snapshot(self._revision, status, served))
            return
        self._residency.on_status(status)
        residences, budget = self._residency.residences(), self._residency.budget
        # The newest: an older one, told late, would say of a model in memory that it does not answer yet.
        self._audience.publish(Snapshot(self._revision, self._runtime.status, served, residences, budget))

    def note(self, name: str, reason: str) -> None:
        """Have the index say why a model that was never tried cannot be served; an empty reason takes it back."""
        if reason:
            self._failures[name] = reason
        else:
            self._failures.pop(name, None)

    async def index(self, *, ready_only: bool = False) -> Sequence[RepositoryEntry]:
        """Every model known, loaded or not, by name."""
        versions = await asyncio.to_thread(self._shelf.versions)
        names = sorted(versions.keys() | self._served.keys() | self._failures.keys())
        entries = [_readable(self._describe(name, versions.get(name, ""))) for name in names]
        return [entry for entry in entries if entry.state is RepositoryState.READY or not ready_only]

    async def load(self, name: str) -> None:
        """Serve a model, or its newest form."""
        check_model_name(name)
        await self._orders.give(Verb.LOAD, name)

    async def unload(self, name: str) -> None:
        """Serve a model no longer."""
        check_model_name(name)
        await self._orders.give(Verb.UNLOAD, name)

    async def start(self) -> None:
        """Load and evict from now on, if that is anybody's business; the runtime is up."""
        if self._residency is not None:
            await self._residency.start(self._announce)

    async def end(self) -> None:
        """Load and evict no more; idempotent."""
        if self._residency is not None:
            await self._residency.stop()

    async def stop(self) -> None:
        """Give up orders under way; idempotent. Models that requests wait for are still loaded."""
        await self._orders.stop()

    async def _carry_out(self, verb: Verb, name: str) -> None:
        log.info("%s: %s ordered", name, verb)
        try:
            await (self._load(name) if verb is Verb.LOAD else self._unload(name))
        except ModelLoadFailed:
            raise
        except RuntimeFailure as error:
            raise ModelNotReady(f"Model '{name}': {error.message}", param="model", retry_after=3.0) from error

    async def _load(self, name: str) -> None:
        try:
            entry = await asyncio.to_thread(self._shelf.find, name)
        except InvalidModelEntry as error:
            raise self._failed(name, error.message) from None
        status = await self._host.load(entry)
        if status.state not in _SETTLED and name in self._served:
            status = await self._outcome(name)
        if status.state is not ModelState.READY:
            await self._take_back(name)
            if status.state is not ModelState.FAILED:
                raise RuntimeFailure("the runtime failed while it loaded. Order it again once the server is ready.")
            raise self._failed(name, status.reason)
        self._stamp += 1
        self._served[name] = _Served(entry, self._stamp, required=name in self._required)
        self._failures.pop(name, None)
        revision = self._announce()
        if not await self._audience.reached(lambda progress: progress.in_force >= revision, _SETTLE_SECONDS):
            log.warning("Not every gateway worker lists %s yet.", name)
        if (problem := self._audience.problems().get(name)) is not None:
            await self._unload(name)
            raise self._failed(name, problem)

    async def _outcome(self, name: str) -> ModelStatus:
        """How a served model stands once the runtime, which failed while the model loaded, has healed."""
        deadline = Deadline.after(_HEAL_SECONDS)
        while True:
            status = self._runtime.status.models.get(name) or ModelStatus(name, ModelState.LOADING)
            if status.state in _SETTLED or deadline.passed:
                return status
            await asyncio.sleep(_LOOK_SECONDS)

    async def _take_back(self, name: str) -> None:
        """A form that does not load is not wanted, unless it is the model's only one and wanted from the start.

        An older form that still answers goes on.
        """
        served, current = self._served.get(name), self._runtime.status.models.get(name)
        still_answers = current is not None and current.state is ModelState.READY
        if served is not None and (served.required or still_answers):
            return
        if served is not None:
            del self._served[name]
            self._forget(name)
            self._announce()
        await self._host.unload(name)

    async def _unload(self, name: str) -> None:
        served = self._served.pop(name, None)
        if served is None and name not in self._runtime.status.models:
            if name not in await asyncio.to_thread(self._shelf.versions):
                raise ModelNotFound(f"There is no model '{name}'; the index lists those there are.", param="model")
            return
        self._failures.pop(name, None)
        self._forget(name)
        await self._see_off(name)
        try:
            await self._host.unload(name)
        except UnsupportedParameter:
            # Nothing was changed there, so nothing changes here.
            if served is not None:
                self._served[name] = served
                self._announce()
            raise

    async def _see_off(self, name: str) -> None:
        """Have every worker list the model no longer and end the requests for it."""
        revision = self._announce()
        seconds = self._drain_seconds + _END_SECONDS

        def seen_off(progress: Progress) -> bool:
            return progress.in_force >= revision and name not in progress.busy

        if not await self._audience.reached(seen_off, seconds):
            log.warning("%s is unloaded although requests for it did not end within %g s.", name, seconds)

    def _announce(self) -> int:
        """Tell the workers of other models; the revision that says so."""
        self._revision += 1
        self.on_status(self._runtime.status)
        return self._revision

    def _forget(self, name: str) -> None:
        if self._residency is not None:
            self._residency.forget(name)

    def _may_sleep(self, name: str) -> bool:
        """Whether the server takes requests for the model although it is not in memory."""
        residence = self._residency.residence(name) if self._residency is not None else None
        return residence is not None and not residence.pinned

    def _failed(self, name: str, reason: str) -> ModelLoadFailed:
        self._failures[name] = reason
        current = self._runtime.status.models.get(name)
        goes_on = name in self._served and current is not None and current.state is ModelState.READY
        former = " The former one goes on serving." if goes_on else ""
        return ModelLoadFailed(f"Model '{name}' could not be loaded: {reason.rstrip('.')}.{former}", param="model")

    def _describe(self, name: str, version: str) -> RepositoryEntry:
        served, verb = self._served.get(name), self._orders.under_way(name)
        status = self._runtime.status.models.get(name)
        version = served.entry.newest.name if served is not None else version
        if served is not None and verb is None and (asleep := self._asleep(name, version)) is not None:
            return asleep
        if served is not None and status is not None and status.state is ModelState.READY:
            if verb is Verb.UNLOAD:
                return RepositoryEntry(name, version, RepositoryState.UNLOADING)
            return RepositoryEntry(name, version, RepositoryState.READY)
        if verb is not None:
            return RepositoryEntry(name, version, _UNDER_WAY[verb])
        return RepositoryEntry(name, version, RepositoryState.UNAVAILABLE, self._why(name, status))

    def _asleep(self, name: str, version: str) -> RepositoryEntry | None:
        """The index entry of a model that is served and not in memory."""
        residence = self._residency.residence(name) if self._may_sleep(name) and self._residency else None
        if residence is None or residence.state is ResidenceState.RESIDENT:
            return None
        state = _RESIDENCES[residence.state]
        reason = residence.reason or _ASLEEP
        return RepositoryEntry(name, version, state, reason if state is RepositoryState.UNAVAILABLE else "")

    def _why(self, name: str, status: ModelStatus | None) -> str:
        if name in self._served and status is not None:
            return status.reason or str(status.state)
        return self._failures.get(name) or _UNLOADED


def _readable(entry: RepositoryEntry) -> RepositoryEntry:
    """The entry as text that can be sent: folders may have names that are not UTF-8, which no model can have."""
    return replace(entry, name=_utf8(entry.name), reason=_utf8(entry.reason))


def _utf8(text: str) -> str:
    return text.encode(errors="surrogateescape").decode(errors="replace")
