"""A gateway worker's doors: requests of models that are not in memory wait until they are."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping

from argosy.core.errors import ModelNotFound, ModelNotReady
from argosy.core.residency import Lease, Residence, ResidenceState
from argosy.core.status import RuntimeState
from argosy.server.admission.admission import Admission
from argosy.server.admission.lane import Lane
from argosy.server.catalog.board import StatusBoard

_LOOK_SECONDS = 0.25
_GONE = frozenset({RuntimeState.FAILED, RuntimeState.STOPPED})

Report = Callable[[Mapping[str, Lease]], None]


class Residents:
    """Opens and closes the models' lanes as the supervisor says, and tells it what waits and what is at work.

    A request of a model that is not in memory waits in the model's lane, within the lane's bounds. Its waiting is what
    makes the supervisor load the model; when it leaves, it is told of no more.

    Guarantees: once a model's closing has been heard no request of it gets a slot; those that have one keep it. When
    the supervisor refuses a model, everybody who waits for it hears why, once.

    Args:
        board: told which models sleep.
        report: tells the supervisor what this worker does.
        wait: seconds that a request waits for its model at most.
        interval: seconds between two looks at what has changed.
    """

    def __init__(
        self, admission: Admission, board: StatusBoard, report: Report, *, wait: float, interval: float = _LOOK_SECONDS
    ) -> None:
        self._admission = admission
        self._board = board
        self._report = report
        self._wait = wait
        self._interval = interval
        self._residences: dict[str, Residence] = {}
        self._heard_at = 0.0
        self._since: dict[str, float] = {}
        self._draining: set[str] = set()
        self._given: dict[str, int] = {}
        self._used: dict[str, float] = {}
        self._told: dict[str, tuple[int, int, int]] = {}
        self._looking = False
        self._task: asyncio.Task[None] | None = None

    def hear(self, residences: Iterable[Residence]) -> None:
        """Take over how the models stand now, and say at once what that changed here."""
        former, self._residences = self._residences, {residence.name: residence for residence in residences}
        now = self._heard_at = time.monotonic()
        for name in former.keys() - self._residences.keys():
            self._forget(name)
        for name, residence in self._residences.items():
            old = former.get(name)
            if old is None or old.state is not residence.state:
                self._since[name] = now
            self._follow(residence, old)
        self._board.sleep({name: self._why(name) for name, each in self._residences.items() if _sleeps(each)})
        self.look(always=True)

    def expect(self, model: str) -> None:
        """Refuse a request that could not be answered even after a wait; called just before it enters the lane.

        Raises:
            ModelNotReady: the model is being repaired, failed to load a moment ago, or the runtime is gone.
        """
        residence = self._residences.get(model)
        if residence is None or residence.state is ResidenceState.RESIDENT or self._board.status.state in _GONE:
            self._board.check(model)
            return
        if residence.state is ResidenceState.FAILED:
            left = self._heard_at + residence.retry_after - time.monotonic()
            if left > 0:
                raise _failed(residence, left)
        if not self._looking:
            # The request is in the lane when this turn of the loop has ended.
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look_for_new)

    def settle(self) -> list[str]:
        """Models whose closing has been heard and of which no request is at work any more; each is named once."""
        settled = [name for name in self._draining if not self._admission.lane(name).used]
        self._draining.difference_update(settled)
        return settled

    @property
    def draining(self) -> tuple[str, ...]:
        """Models that are to go and have, as far as is known, requests at work."""
        return tuple(self._draining)

    def look(self, *, always: bool = False) -> None:
        """Tell the supervisor what this worker does, if that has changed, and end waits that took too long."""
        now = time.monotonic()
        stands: dict[str, tuple[int, int, int]] = {}
        for name in self._residences:
            lane = self._admission.lane(name)
            if lane.shut and lane.waiting:
                self._end_waits(name, lane)
            if lane.used or lane.given != self._given.get(name, 0):
                self._used[name] = now
            self._given[name] = lane.given
            stands[name] = (lane.used, lane.waiting if lane.shut else 0, lane.given)
        if always or stands != self._told:
            self._told = stands
            self._report({name: self._lease(name, now) for name in stands if name in self._used or stands[name][1]})

    async def start(self) -> None:
        """Look regularly from now on."""
        self._task = asyncio.create_task(self._keep_looking(), name="residents")

    async def stop(self) -> None:
        """Look no more; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            self.look()

    def _end_waits(self, name: str, lane: Lane) -> None:
        """End those that took too long, and all where nothing will be loaded any more."""
        if self._board.status.state in _GONE:
            lane.turn_away(lambda: self._board.refusal(name))
        else:
            lane.turn_away(lambda: self._too_late(name), self._wait)

    def _look_for_new(self) -> None:
        """A model that is waited for now and was not a moment ago must not wait for the next regular look."""
        self._looking = False
        lanes = {name: self._admission.lane(name) for name in self._residences}
        if any(lane.shut and lane.waiting and not self._told.get(name, (0, 0))[1] for name, lane in lanes.items()):
            self.look()

    def _follow(self, residence: Residence, former: Residence | None) -> None:
        lane = self._admission.lane(residence.name)
        if residence.state is ResidenceState.RESIDENT:
            self._draining.discard(residence.name)
            lane.open()
            return
        lane.close()
        if residence.state is ResidenceState.DRAINING:
            if former is None or former.state is not ResidenceState.DRAINING:
                self._draining.add(residence.name)
            return
        self._draining.discard(residence.name)
        if residence.state is ResidenceState.FAILED and (former is None or former.failures != residence.failures):
            lane.turn_away(lambda: _failed(residence, residence.retry_after))

    def _forget(self, name: str) -> None:
        """A model is served no longer: those that have a slot, or wait for one, are the roster's to see off."""
        lane = self._admission.lane(name)
        if lane.shut:
            lane.turn_away(lambda: ModelNotFound(f"The model '{name}' was unloaded.", param="model"))
            lane.open()
        self._draining.discard(name)
        for known in (self._since, self._given, self._used):
            known.pop(name, None)

    def _lease(self, name: str, now: float) -> Lease:
        lane: Lane = self._admission.lane(name)
        idle = now - self._used[name] if name in self._used else now
        return Lease(lane.used, lane.waiting if lane.shut else 0, idle)

    def _too_late(self, name: str) -> ModelNotReady:
        residence = self._residences[name]
        return ModelNotReady(
            f"Model '{name}' could not be loaded within {self._wait:g} s: {self._why(name)}. Try again shortly.",
            param="model",
            retry_after=max(1.0, residence.load_seconds - self._elapsed(name)),
        )

    def _why(self, name: str) -> str:
        """What a model that is not in memory waits for, in words."""
        residence = self._residences[name]
        match residence.state:
            case ResidenceState.LOADING:
                usual = f"; the last load took {residence.load_seconds:.1f} s" if residence.load_seconds else ""
                return f"it has been loading for {self._elapsed(name):.1f} s{usual}"
            case ResidenceState.DRAINING:
                return "it is leaving memory and will be loaded again"
            case ResidenceState.FAILED:
                return residence.reason.rstrip(".")
            case _:
                return residence.reason or "it is not in memory; a request makes it load"

    def _elapsed(self, name: str) -> float:
        return time.monotonic() - self._since.get(name, math.inf)


def _sleeps(residence: Residence) -> bool:
    return residence.state is not ResidenceState.RESIDENT


def _failed(residence: Residence, seconds: float) -> ModelNotReady:
    return ModelNotReady(
        f"Model '{residence.name}' is not loaded: {residence.reason.rstrip('.')}.",
        param="model",
        retry_after=max(1.0, seconds),
    )
