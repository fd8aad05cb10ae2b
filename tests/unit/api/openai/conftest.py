from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.suites.gateway import Server, gateway
from tests.suites.parrots import parrots
from tests.unit.api.conftest import calling


@pytest.fixture
async def birds(tmp_path: Path) -> AsyncIterator[Server]:
    """A ready gateway that also serves the models of `tests.suites.parrots`."""
    async with gateway(tmp_path, further=parrots(tmp_path)) as ready:
        yield ready


@pytest.fixture
async def aviary(birds: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Calls `birds` without a socket."""
    async with calling(birds) as ready:
        yield ready
