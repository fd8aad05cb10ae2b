"""Trying again what may succeed the next time."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from argosy.core.errors import SourceUnavailable

_LONGEST = 60.0


class Transient(Exception):
    """The server or the way to it failed; the same request may succeed later.

    Attributes:
        after: seconds that the server asks to wait, or None.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.after = after


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how slowly to try.

    Attributes:
        attempts: tries in a row without a byte gained.
        first: seconds before the second try; each further one doubles it, up to a minute.
    """

    attempts: int = 6
    first: float = 1.0


class Attempts:
    """The tries of one piece of work.

    Args:
        what: names the work in the error.
        stop: set when the whole fetch ends; waiting ends with it.
    """

    def __init__(self, what: str, patience: Patience, stop: threading.Event) -> None:
        self._what = what
        self._patience = patience
        self._stop = stop
        self._failed = 0

    def gained(self) -> None:
        """Something arrived, so the count begins anew."""
        self._failed = 0

    def failed(self, cause: Transient) -> None:
        """Wait before the next try.

        Raises:
            SourceUnavailable: that was the last one.
            Stopped: the fetch ended meanwhile.
        """
        self._failed += 1
        if self._failed >= self._patience.attempts:
            raise SourceUnavailable(
                f"{self._what} could not be fetched: {cause.message}. Tried {self._failed} times; run the "
                "command again later, what has arrived is kept."
            ) from cause
        pause = min(self._patience.first * 2 ** (self._failed - 1), _LONGEST)
        # Spread, so that many servers that lost their hub do not come back at the same moment.
        pause = min(cause.after, 5 * _LONGEST) if cause.after is not None else pause * random.uniform(0.5, 1.0)  # noqa: S311
        if self._stop.wait(pause):
            raise Stopped


class Stopped(Exception):
    """Another file of the same fetch failed for good."""
