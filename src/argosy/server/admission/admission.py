"""One lane per model."""

from __future__ import annotations

from collections.abc import Mapping

from argosy.core.deadline import Deadline
from argosy.server.admission.lane import Lane, Limits, Ticket
from argosy.telemetry.metrics import Metrics


class Admission:
    """Bounds what every model is asked to do at once.

    Args:
        metrics: where queue depth, waits and refusals are counted.
        default: limits of a model without its own.
        limits: limits by model name.
        workers: number of gateway processes that share the limits evenly.
    """

    def __init__(
        self,
        metrics: Metrics,
        default: Limits | None = None,
        limits: Mapping[str, Limits] | None = None,
        workers: int = 1,
    ) -> None:
        self._metrics = metrics
        self._default = (default or Limits()).share(workers)
        self._limits = {name: own.share(workers) for name, own in (limits or {}).items()}
        self._lanes: dict[str, Lane] = {}

    def lane(self, model: str) -> Lane:
        """The queue of a served model, made on first use."""
        try:
            return self._lanes[model]
        except KeyError:
            limits = self._limits.get(model, self._default)
            return self._lanes.setdefault(model, Lane(limits, self._metrics.model(model)))

    def busy(self, model: str) -> bool:
        """Whether a request of `model` holds a slot or waits for one."""
        lane = self._lanes.get(model)
        return lane is not None and bool(lane.used or lane.waiting)

    def deadline(self, model: str, timeout: float | None, since: float) -> Deadline:
        """The point at which a request to `model` ends.

        It is `timeout` seconds after `since` (on the monotonic clock), bounded by the model's maximum; None means
        that maximum.
        """
        longest = self.lane(model).limits.max_timeout
        return Deadline(since + (longest if timeout is None else min(timeout, longest)))

    async def enter(self, model: str, deadline: Deadline, size: int, slots: int = 1) -> Ticket:
        """Take slots in the model's lane; see `Lane.enter`."""
        return await self.lane(model).enter(deadline, size, slots)
