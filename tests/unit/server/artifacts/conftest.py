from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.progress import Listener, quiet
from argosy.server.artifacts.fetch.retry import Patience
from argosy.server.artifacts.kinds.chosen_profile import Choose, Substitute
from argosy.server.artifacts.models import SourceModels
from tests.suites.hub_server import HubServer, serve_hub


@pytest.fixture(scope="session")
def hub_process() -> Iterator[HubServer]:
    with serve_hub() as server:
        yield server


@pytest.fixture
def hub(hub_process: HubServer) -> HubServer:
    """A hub without repositories, faults or memories."""
    for part in (hub_process.repositories, hub_process.files, hub_process.faults, hub_process.asked):
        part.clear()
    return hub_process


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fetching(hub: HubServer, token: str = "", *, offline: bool = False, attempts: int = 4) -> FetchOptions:
    """Options for the test hub, with little patience."""
    return FetchOptions(offline, token, hub.endpoint, parallel=3, patience=Patience(attempts, 0.001))


def models(
    cache: Path,
    hub: HubServer,
    token: str = "",
    *,
    offline: bool = False,
    listener: Listener = quiet,
    choose: Choose | None = None,
    substitute: Substitute | None = None,
) -> SourceModels:
    return SourceModels(cache, fetching(hub, token, offline=offline), listener, choose, substitute)
