"""A gateway worker's models, kept as the supervisor says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, InvalidModelEntry, ModelNotFound
from argosy.core.status import RuntimeState, RuntimeStatus
from argosy.engines.deployment import Lengths, shortened
from argosy.runtime.model_config import read_config
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.admission.residents import Residents
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.messages import Progress, ServedEntry, Snapshot
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tokenize import TextTokenizers
from argosy.store.entries import CONFIG_FILE, ModelEntry, read_entry

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05
_END_SECONDS = 2.0
_FIRST_SECONDS = 30.0


class Roster:
    """Takes over snapshots.

    Guarantees: what is broken is known at once; a model is listed only after its chat template has been loaded; a
    model that is listed no longer keeps its template, and the supervisor hears of it as busy, until the last request
    for it has ended or was ended after `drain_seconds`.

    Args:
        catalog, templates, board, tokenizers: what is kept in line.
        admission, drain: tell which models are at work.
        report: tells the supervisor how far this worker is.
        release: makes the data plane let go of models that nothing is asked of any more.
        drain_seconds: how long requests for a model that was unloaded may go on.
        residents: told which models are in memory; None where all are.
        lengths: limits of an operator, which the engines hold too.
    """

    def __init__(
        self,
        catalog: Catalog,
        templates: ChatTemplates,
        board: StatusBoard,
        *,
        admission: Admission,
        drain: Drain,
        report: Callable[[Progress], None],
        release: Callable[[], Awaitable[None]],
        drain_seconds: float,
        tokenizers: TextTokenizers | None = None,
        lengths: Lengths | None = None,
        residents: Residents | None = None,
    ) -> None:
        self._catalog = catalog
        self._templates = templates
        self._board = board
        self._admission = admission
        self._drain = drain
        self._report = report
        self._release = release
        self._drain_seconds = drain_seconds
        self._tokenizers = tokenizers or TextTokenizers()
        self._lengths = lengths or Lengths()
        self._residents = residents
        self._newest: Snapshot | None = None
        self._heard = asyncio.Event()
        self._served: dict[str, tuple[ServedEntry, _Listed]] = {}
        self._problems: dict[str, str] = {}
        self._leaving: dict[str, Deadline] = {}
        self._in_force = -1
        self._first = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def hear(self, snapshot: Snapshot) -> None:
        """Take over a newer snapshot: the status now, the models as soon as they can be listed."""
        self._board.update(snapshot.status)
        for name in snapshot.status.models:
            # Its metrics are there before its first request: autoscalers take a missing series for a fault.
            self._admission.lane(name)
        if self._residents is not None:
            self._residents.hear(snapshot.residences)
        self._newest = snapshot
        self._heard.set()

    def lost(self) -> None:
        """The supervisor is not reachable: nothing is known to work."""
        self._board.update(RuntimeStatus(RuntimeState.STOPPED, reason="The supervisor is not reachable."))

    async def start(self) -> None:
        """Begin; returns once the first snapshot is in force, or after half a minute without one."""
        self._task = asyncio.create_task(self._keep(), name="roster")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._first.wait()

    async def stop(self) -> None:
        """End; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS if self._busy() else None):
                    await self._heard.wait()
            told = self._heard.is_set()
            self._heard.clear()
            try:
                if self._newest is not None and self._newest.revision != self._in_force:
                    await self._apply(self._newest)
                if await self._see_off() or told:
                    self._report(Progress(self._in_force, self._busy(), dict(self._problems)))
            except Exception:
                # A defect must not keep this worker on old news for ever; the next snapshot is tried again.
                log.exception("The served models could not be taken over")

    async def _apply(self, snapshot: Snapshot) -> None:
        """List what the snapshot says and nothing else."""
        served: dict[str, tuple[ServedEntry, _Listed]] = {}
        problems: dict[str, str] = {}
        for item in snapshot.served:
            known = self._served.get(item.name)
            if known is not None and known[0].stamp == item.stamp:
                served[item.name] = (item, known[1])
                if item.name in self._problems:
                    problems[item.name] = self._problems[item.name]
                continue
            try:
                served[item.name] = (item, await asyncio.to_thread(_read, item, self._lengths))
                await self._templates.start([served[item.name][1].entry])
            except (ArgosyError, OSError) as error:
                problems[item.name] = error.message if isinstance(error, ArgosyError) else str(error)
                self._templates.forget(item.name)
                log.warning("%s cannot be served as it should: %s", item.name, problems[item.name])
        for name in self._served.keys() - served.keys():
            self._leaving[name] = Deadline.after(self._drain_seconds)
        for name in served:
            self._leaving.pop(name, None)
        self._tokenizers.replace(listed.entry for _, listed in served.values())
        batches = {name: listed.max_batch_size for name, (_, listed) in served.items()}
        self._catalog.replace((listed.entry for _, listed in served.values()), batches)
        self._board.require(item.name for item in snapshot.served if item.required)
        if any(served[name][0] != item for name, (item, _) in self._served.items() if name in served):
            # A former form of a model would stay in memory.
            await self._release()
        self._served, self._problems, self._in_force = served, problems, snapshot.revision
        self._first.set()

    async def _see_off(self) -> bool:
        """Let go of models whose last request has ended; whether there was one."""
        gone = []
        for name, deadline in self._leaving.items():
            if not self._admission.busy(name) and not self._drain.busy(name):
                gone.append(name)
            elif deadline.passed:
                self._drain.end(name, ModelNotFound(f"The model '{name}' was unloaded.", param="model"))
                if Deadline(deadline.at + _END_SECONDS).passed:
                    log.warning("Requests for %s did not end after it was unloaded.", name)
                    gone.append(name)
        for name in gone:
            del self._leaving[name]
            self._templates.forget(name)
        settled = self._residents.settle() if self._residents is not None else []
        if gone or settled:
            await self._release()
        return bool(gone or settled)

    def _busy(self) -> tuple[str, ...]:
        """Models that take no request any more and still have some, as far as is known."""
        return (*self._leaving, *(self._residents.draining if self._residents is not None else ()))


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model as this worker lists it.

    Attributes:
        max_batch_size: as its config says; 0 when it says nothing that can be read.
    """

    entry: ModelEntry
    max_batch_size: int


def _read(item: ServedEntry, lengths: Lengths) -> _Listed:
    entry = read_entry(Path(item.directory))
    if entry.name != item.name:
        raise InvalidModelEntry(f"{item.directory} holds the model {entry.name!r}, not {item.name!r}.")
    return _Listed(replace(entry, spec=shortened(entry.spec, lengths)), _max_batch_size(entry))


def _max_batch_size(entry: ModelEntry) -> int:
    try:
        return read_config(entry.directory / CONFIG_FILE).max_batch_size
    except (InvalidModelEntry, OSError) as error:
        # Triton says what is wrong with it when the model is loaded.
        log.debug("The config of %s cannot be read for its batch size: %s", entry.name, error)
        return 0
