"""How the served models' profiles stand on this machine, asked for while it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from argosy.core.errors import DeadlineExceeded
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.probe import gpus
from argosy.server.probe.host import Host, probe
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.select import Options, select
from argosy.server.profiles.sources.entry import manifest_of, profile_of
from argosy.server.profiles.verdict import Selection

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class View:
    """A machine and what its models' profiles are on it."""

    host: Host
    selections: tuple[Selection, ...]


class ProfileBoard:
    """Judges the models of a catalog on this machine.

    Software and devices are looked up once, the GPUs' free memory at every call; calls at one time share one look.

    Args:
        catalog: the served models.
        options: what the operator says of all profiles.
        look: looks at the machine, blocking.
    """

    def __init__(
        self, catalog: Catalog, options: Options | None = None, look: Callable[[], Host] | None = None
    ) -> None:
        self._catalog = catalog
        self._options = options or Options()
        self._look = look or _look
        self._known: Host | None = None
        self._looking: asyncio.Task[Host] | None = None

    async def view(self, names: Collection[str] = ()) -> View:
        """The served models of these public names, all of them when there are none.

        Raises:
            ModelNotFound: nothing is served by a name.
            DeadlineExceeded: the machine did not answer in time.
        """
        models = [self._catalog.get(name) for name in names] if names else list(self._catalog.models)
        roots = {model.root: model for model in models}
        host = await self._host()
        bases = {model.parent for model in self._catalog.models}
        # The sizes of files are looked up.
        selections = await asyncio.to_thread(self._judge, host, tuple(roots.values()), bases)
        return View(host, selections)

    def _judge(self, host: Host, models: Sequence[ServedModel], bases: Collection[str | None]) -> tuple[Selection, ...]:
        return tuple(select(host, _manifest(model, bases), self._options) for model in models)

    async def _host(self) -> Host:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_now(), name="probe")
        try:
            async with asyncio.timeout(_SECONDS):
                # One caller's leaving must not end the look that others wait for.
                return await asyncio.shield(self._looking)
        except TimeoutError:
            raise DeadlineExceeded(
                f"Looking at this machine took more than {_SECONDS:g} s; its GPU driver may hang: nvidia-smi"
            ) from None

    async def _look_now(self) -> Host:
        """Ends by itself: everything that is asked has a deadline of its own."""
        known = self._known
        if known is None:
            self._known = await asyncio.to_thread(self._look)
            return self._known
        if not known.gpus:
            return known
        found = await asyncio.to_thread(gpus.survey)
        return replace(known, gpus=found.gpus, driver=found.driver, cuda=found.cuda, gpu_problem=found.problem)


def _look() -> Host:
    return probe(devices=True)


def _manifest(model: ServedModel, bases: Collection[str | None]) -> Manifest:
    adapters = model.root in bases
    if model.entry is None:
        return Manifest(model.root, (profile_of(model.spec, adapters=adapters),))
    return manifest_of(model.entry, adapters=adapters)
