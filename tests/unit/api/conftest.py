from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.suites.gateway import Server, gateway


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A ready gateway without chat templates."""
    async with gateway(tmp_path, templates_loaded=False) as ready:
        yield ready


@pytest.fixture
async def chat_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A ready gateway that also takes conversations."""
    async with gateway(tmp_path) as ready:
        yield ready


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Calls `server` without a socket."""
    async with calling(server) as ready:
        yield ready


@pytest.fixture
async def chat(chat_server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Calls `chat_server` without a socket."""
    async with calling(chat_server) as ready:
        yield ready


def calling(server: Server) -> httpx.AsyncClient:
    """A client of a gateway in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=server.app), base_url="http://argosy")
