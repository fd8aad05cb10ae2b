from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.suites.echo_models import echo_anything, echo_tensors
from tests.suites.gateway import Server, gateway
from tests.unit.api.conftest import calling


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A gateway that also serves `anything` and `echo`; see `echo_models`."""
    further = [echo_anything(tmp_path), echo_tensors(tmp_path, max_tokens=20)]
    async with gateway(tmp_path, templates_loaded=False, further=further) as ready:
        yield ready


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Calls `server` without a socket."""
    async with calling(server) as ready:
        yield ready
