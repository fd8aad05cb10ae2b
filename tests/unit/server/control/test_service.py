"""Coming up and going away, in order and to the end."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from argosy.server.control.service import Service


class Part:
    """Any part of the service: takes a moment to stop and notes it, or fails at it."""

    def __init__(self, name: str, stopped: list[str], failure: Exception | None = None) -> None:
        self._name = name
        self._stopped = stopped
        self._failure = failure

    async def stop(self) -> None:
        if self._failure is not None:
            raise self._failure
        await asyncio.sleep(0)
        self._stopped.append(self._name)

    async def end(self) -> None:
        self._stopped.append(f"{self._name} ended")


async def test_jobs_that_cannot_be_stopped_do_not_keep_the_runtime() -> None:
    """Everything else is gone before the failure is told."""
    stopped: list[str] = []
    names = ("runtime", "models", "publisher", "workers")
    parts = {name: cast("Any", Part(name, stopped)) for name in names}
    service = Service(**parts, office=cast("Any", Part("office", stopped, OSError("no more handles"))))
    with pytest.raises(OSError, match="no more handles"):
        await service.stop()
    assert stopped == ["models", "workers", "models ended", "runtime", "publisher"]
