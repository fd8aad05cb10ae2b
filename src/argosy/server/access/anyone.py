"""No keys: for servers that only this machine can reach."""

from __future__ import annotations

import re

from argosy.server.access.contract import Headers, Principal

_HERE = re.compile(rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?", re.IGNORECASE)
"""A `Host` header that means this machine."""


class OpenAccess:
    """Lets every caller in, with or without a key.

    Args:
        operator: whether every caller may load and unload models, as on a server that only this machine reaches. A
            request that calls the server by a name of elsewhere gives no orders: a web page has such a name lead here.
    """

    def __init__(self, *, operator: bool = False) -> None:
        self._anyone = Principal("anonymous")
        self._here = Principal("anonymous", operator)

    async def authenticate(self, headers: Headers) -> Principal:
        """The one anonymous principal."""
        for name, value in headers:
            if name == b"host" and _HERE.fullmatch(value) is None:
                return self._anyone
        return self._here
