"""What every call to a model carries, whatever its task."""

from __future__ import annotations

from dataclasses import dataclass

from argosy.core.deadline import NEVER, Deadline


@dataclass(frozen=True, slots=True)
class Call:
    """One client's request on its way through the server.

    Attributes:
        request_id: appears in the reply, the logs and the runtime.
        deadline: covers the wait for a slot and the engine's work.
        size: bytes the request keeps in memory, for the bound on waiting bytes.
    """

    request_id: str = ""
    deadline: Deadline = NEVER
    size: int = 0
