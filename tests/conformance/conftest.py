from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from argosy.server.artifacts.places import cache_directory
from tests.conformance.judges.schemathesis_roles import OPERATOR_KEY, PLAIN_KEY
from tests.conformance.judging import Court
from tests.conformance.official import MODULES, OUTCOMES, Outcomes, TestName
from tests.e2e.running import Running, serve


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what came of the tests by OpenAI's own client, for the page."""
    report = yield
    module = item.path.stem
    if module in MODULES:
        item.config.stash.setdefault(OUTCOMES, Outcomes()).note(
            TestName(module, item.name.partition("[")[0]), report.outcome
        )
    return report


# Jobs that judges order end at once, whatever is installed beside what serves.
_NO_CONVERSIONS = {"ARGOSY_CONVERSION_PYTHON": sys.executable, "ARGOSY_OFFLINE": "1"}


@contextmanager
def serving(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The bundled models; what the judges order leaves nothing in the cache that the machine's user has."""
    with serve(folder, environment={**_NO_CONVERSIONS, **(environment or {})}) as running:
        running.wait_ready()
        yield running
    shutil.rmtree(cache_directory(None, os.environ) / "jobs" / str(running.port), ignore_errors=True)


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The bundled models, served once for all the judges."""
    with serving(tmp_path_factory.mktemp("judged")) as running:
        yield running


@pytest.fixture(scope="package")
def court(judged: Running, tmp_path_factory: pytest.TempPathFactory) -> Court:
    """Every judge's verdicts on that server, or on another of the same models whose callers need keys."""

    @contextmanager
    def keyed() -> Iterator[str]:
        keys = {"ARGOSY_API_KEYS": f"plain:{PLAIN_KEY},judge@operator:{OPERATOR_KEY}"}
        with serving(tmp_path_factory.mktemp("keyed"), keys) as running:
            yield running.url

    return Court(judged.url, tmp_path_factory.mktemp("court"), keyed)
