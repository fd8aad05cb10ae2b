"""No keys: for servers that only this machine can reach."""

from __future__ import annotations

from argosy.server.access.contract import Headers, Principal

_ANYONE = Principal("anonymous")


class OpenAccess:
    """Lets every caller in, with or without a key."""

    async def authenticate(self, headers: Headers) -> Principal:  # noqa: ARG002
        """The one anonymous principal."""
        return _ANYONE
