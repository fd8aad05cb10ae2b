"""What the supervisor knows about the runtime and its models, as values that cross processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class RuntimeState(StrEnum):
    """Where the serving runtime stands.

    starting → ready → fenced → backoff → starting …, and failed when crash loops are given up on.
    """

    STARTING = "starting"
    READY = "ready"
    FENCED = "fenced"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPED = "stopped"


class ModelState(StrEnum):
    """Where one model stands. Only READY takes requests."""

    LOADING = "loading"
    READY = "ready"
    FENCED = "fenced"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model's state and, unless ready, the reason in words."""

    name: str
    state: ModelState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """A snapshot of the runtime.

    Attributes:
        generation: grows with every start of the serving process; a connection belongs to one generation.
        address: where the data plane connects (`unix:/…` or `host:port`); empty while nothing listens.
        retry_after: seconds until a retry is worth while, a guess.
        restarts: how often the serving process was restarted after a fault.
        metrics_url: where the runtime's own Prometheus text is, loopback only; empty when it has none.
    """

    state: RuntimeState
    generation: int = 0
    address: str = ""
    reason: str = ""
    retry_after: float = 2.0
    restarts: int = 0
    metrics_url: str = ""
    models: Mapping[str, ModelStatus] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every wanted model answers. A failed model does not hold back the others' traffic."""
        return self.state is RuntimeState.READY and all(
            model.state is ModelState.READY for model in self.models.values()
        )

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> RuntimeStatus:
        """The inverse of `to_mapping`."""
        models = {
            name: ModelStatus(item["name"], ModelState(item["state"]), item["reason"])
            for name, item in data["models"].items()
        }
        return cls(**{**data, "state": RuntimeState(data["state"]), "models": models})
