"""No keys: for servers that only this machine can reach."""

from __future__ import annotations

from argosy.server.access.contract import Headers, Principal


class OpenAccess:
    """Lets every caller in, with or without a key.

    Args:
        operator: whether every caller may load and unload models, as on a server that only this machine reaches.
    """

    def __init__(self, *, operator: bool = False) -> None:
        self._anyone = Principal("anonymous", operator)

    async def authenticate(self, headers: Headers) -> Principal:  # noqa: ARG002
        """The one anonymous principal."""
        return self._anyone
