"""What crosses the link between the supervisor and a gateway worker, as values.

Supervisor to worker: `Snapshot`s and replies. Worker to supervisor: what it suspects, how far it is (`Progress`), what
it does with each model (`Lease`s) and orders of operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from argosy.core import errors
from argosy.core.errors import ArgosyError
from argosy.core.residency import Lease, Residence
from argosy.core.status import RuntimeStatus

_ERRORS: tuple[type[ArgosyError], ...] = (
    errors.InvalidRequest,
    errors.UnsupportedParameter,
    errors.NotFound,
    errors.ModelNotFound,
    errors.ModelLoadFailed,
    errors.RuntimeFailure,
    errors.Unavailable,
    errors.TooManyJobs,
    errors.DeadlineExceeded,
)
_BY_CODE = {kind.code: kind for kind in _ERRORS}


@dataclass(frozen=True, slots=True)
class ServedEntry:
    """One model that workers list.

    Attributes:
        directory: of its model store entry.
        stamp: differs whenever the entry must be read anew.
        required: whether this server is ready only while the model is.
    """

    name: str
    directory: str
    stamp: int
    required: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is served and how it stands, at one moment.

    Attributes:
        revision: grows with every change of `served` and `residences`.
        residences: which models are in memory; empty where that is not known.
        budget: bytes for all models together; 0 means any number.
    """

    revision: int
    status: RuntimeStatus
    served: tuple[ServedEntry, ...] = ()
    residences: tuple[Residence, ...] = ()
    budget: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        served = [asdict(entry) for entry in self.served]
        return {
            "revision": self.revision,
            "status": self.status.to_mapping(),
            "served": served,
            "residences": [residence.to_mapping() for residence in self.residences],
            "budget": self.budget,
        }

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Snapshot:
        """The inverse of `to_mapping`."""
        served = tuple(ServedEntry(**entry) for entry in data["served"])
        residences = tuple(Residence.from_mapping(residence) for residence in data["residences"])
        return cls(data["revision"], RuntimeStatus.from_mapping(data["status"]), served, residences, data["budget"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a worker is.

    Attributes:
        in_force: the newest revision whose models it lists; -1 before the first.
        busy: models it admits no request for any more and still answers some for.
        problems: why it cannot serve a listed model, by name.
    """

    in_force: int = -1
    busy: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"in_force": self.in_force, "busy": list(self.busy), "problems": dict(self.problems)}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Progress:
        """The inverse of `to_mapping`."""
        return cls(data["in_force"], tuple(data["busy"]), dict(data["problems"]))


def leases_to_mapping(leases: Mapping[str, Lease]) -> dict[str, list[float]]:
    """What a worker does, as plain data."""
    return {name: [lease.active, lease.waiting, lease.idle] for name, lease in leases.items()}


def leases_from_mapping(data: Mapping[str, Any]) -> dict[str, Lease]:
    """The inverse of `leases_to_mapping`."""
    return {name: Lease(*values) for name, values in data.items()}


def error_to_mapping(error: ArgosyError) -> dict[str, Any]:
    """An error as plain data; a class that does not cross the link crosses as its closest base that does."""
    kind = next((kind for kind in type(error).__mro__ if kind in _ERRORS), errors.RuntimeFailure)
    code = kind.code if issubclass(kind, ArgosyError) else errors.RuntimeFailure.code
    return {"code": code, "message": error.message, "param": error.param, "retry_after": error.retry_after}


def error_from_mapping(data: Mapping[str, Any]) -> ArgosyError:
    """The inverse of `error_to_mapping`."""
    kind = _BY_CODE.get(data["code"], errors.RuntimeFailure)
    return kind(data["message"], param=data["param"], retry_after=data["retry_after"])
