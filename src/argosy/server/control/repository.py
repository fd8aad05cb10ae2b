"""Which models a server could serve, and the loading and unloading of one while it serves.

The wire dialects (KServe's repository extension over REST and gRPC) see only `ModelRepository`. Whether a caller
may use it is theirs to check first, by `Principal.operator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from argosy.core.errors import InvalidRequest
from argosy.core.models import NAME


class RepositoryState(StrEnum):
    """States of the repository index, in Triton's words."""

    READY = "READY"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class RepositoryEntry:
    """One model of the index.

    Attributes:
        version: the version that is or would be served.
        reason: why it is not READY, in words; empty otherwise.
    """

    name: str
    version: str
    state: RepositoryState
    reason: str = ""


class ModelRepository(Protocol):
    """Loading and unloading by name. Safe for concurrent use from one event loop.

    Guarantees: every call ends within its deadline; calls for one model take effect one after another and the last
    one decides; when `load` returns the model answers and is listed, in every worker or, at the latest, a moment
    later; when `unload` returns it is neither.
    """

    async def index(self, *, ready_only: bool = False) -> Sequence[RepositoryEntry]:
        """Every model known, loaded or not, by name.

        Raises:
            Unavailable: the supervisor cannot be reached.
        """
        ...

    async def load(self, name: str) -> None:
        """Serve a model, or its newest form when it is served already.

        Raises:
            InvalidRequest: `name` is not a model name.
            ModelNotFound: there is no such model to load.
            ModelLoadFailed: it was tried; the message has the reason.
            UnsupportedParameter: this server's runtime does not take such orders.
            Unavailable: the supervisor or the runtime is not there, or another order overtook this one.
            DeadlineExceeded: it took too long; the order stands.
        """
        ...

    async def unload(self, name: str) -> None:
        """Serve a model no longer; requests in flight finish first, within bounds. One not served is no error.

        Raises:
            InvalidRequest: `name` is not a model name.
            ModelNotFound: there is no such model.
            UnsupportedParameter: this server's runtime does not take such orders.
            Unavailable: the supervisor or the runtime is not there, or another order overtook this one.
            DeadlineExceeded: it took too long; the order stands.
        """
        ...


def check_model_name(name: str) -> None:
    """Refuse what cannot be a model's name before anything is asked.

    Raises:
        InvalidRequest: `name` does not match `core.models.NAME`.
    """
    if NAME.fullmatch(name) is None:
        shown = name if len(name) <= 64 else f"{name[:64]}…"
        raise InvalidRequest(
            f"{shown!r} is not a model name: 1-64 characters of a-z, 0-9, '.', '_' and '-', the first a letter or "
            "digit.",
            param="model",
        )
