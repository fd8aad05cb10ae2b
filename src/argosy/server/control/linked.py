"""The model repository as a gateway worker has it: every order goes to the supervisor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from argosy.server.control.link import StatusFollower
from argosy.server.control.repository import RepositoryEntry, RepositoryState, check_model_name


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """How long a worker waits for the supervisor; seconds.

    Attributes:
        index: for the list of models.
        load: for a model to be ready or failed, the orders before it included.
        unload: for a model to be gone, its last requests included.
    """

    index: float = 10.0
    load: float = 300.0
    unload: float = 120.0


class LinkedRepository:
    """`ModelRepository` over the link."""

    def __init__(self, follower: StatusFollower, options: OrderOptions | None = None) -> None:
        self._follower = follower
        self._options = options or OrderOptions()

    async def index(self, *, ready_only: bool = False) -> Sequence[RepositoryEntry]:
        """Every model known, loaded or not, by name."""
        rows = await self._follower.order("index", self._options.index, ready_only=ready_only)
        return [RepositoryEntry(**{**row, "state": RepositoryState(row["state"])}) for row in rows]

    async def load(self, name: str) -> None:
        """Serve a model, or its newest form."""
        check_model_name(name)
        await self._follower.order("load", self._options.load, name=name)

    async def unload(self, name: str) -> None:
        """Serve a model no longer."""
        check_model_name(name)
        await self._follower.order("unload", self._options.unload, name=name)
