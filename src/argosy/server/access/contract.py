"""The interface between the routes and whatever decides who may ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]
"""Request headers as received: lower-case names, duplicates kept."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: safe to log; never the key itself.
        operator: may load and unload models.
    """

    name: str
    operator: bool = False


class Authenticator(Protocol):
    """Decides who sent a request.

    Guarantees: a principal is returned only for a caller that was positively identified; any doubt (no key, two
    keys, a key store that cannot be reached) is an error, never a fallback identity.
    """

    async def authenticate(self, headers: Headers) -> Principal:
        """Who sent these headers.

        Raises:
            Unauthenticated: no key, more than one, or an unknown one.
            PermissionDenied: a known key that may not be used here.
            Unavailable: the decision cannot be made now.
        """
        ...
