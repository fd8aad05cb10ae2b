from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.running import Running, serve


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The bundled models, served once for every test that does not break them."""
    with serve(tmp_path_factory.mktemp("bundled")) as running:
        running.wait_ready()
        yield running
