"""How large what comes out of an archive may be."""

from __future__ import annotations

from dataclasses import dataclass

from argosy.core.errors import InvalidModelEntry


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the content.

    Attributes:
        members: most entries, folders included.
        total: most bytes of all files together.
        ratio: most bytes out for one byte in.
        slack: bytes out that are free of the ratio, because small texts may be packed well.
    """

    members: int = 10_000
    total: int = 1 << 40
    ratio: int = 100
    slack: int = 1 << 20


class Meter:
    """Counts what comes out of one archive.

    Args:
        packed: bytes of the archive.
    """

    def __init__(self, name: str, packed: int, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._most = min(limits.total, packed * limits.ratio + limits.slack)
        self._members = 0
        self._bytes = 0

    def members(self, count: int) -> None:
        """`count` more entries.

        Raises:
            InvalidModelEntry: too many.
        """
        self._members += count
        if self._members > self._limits.members:
            raise InvalidModelEntry(f"{self._name} has more than {self._limits.members} entries, which no model has.")

    def bytes(self, count: int) -> None:
        """`count` more bytes came out, or will.

        Raises:
            InvalidModelEntry: too many.
        """
        self._bytes += count
        if self._bytes > self._most:
            raise InvalidModelEntry(
                f"{self._name} unpacks to more than {self._limits.ratio} times its size or {self._limits.total} bytes; "
                "model files do not pack that well. Give the files themselves."
            )
