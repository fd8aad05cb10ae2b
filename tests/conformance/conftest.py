from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.judging import Court
from tests.e2e.running import Running, serve


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The bundled models, served once for all the judges."""
    with serve(tmp_path_factory.mktemp("judged")) as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="package")
def court(judged: Running, tmp_path_factory: pytest.TempPathFactory) -> Court:
    """Every judge's verdicts on that server."""
    return Court(judged.url, tmp_path_factory.mktemp("court"))
