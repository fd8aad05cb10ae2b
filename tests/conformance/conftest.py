from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

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


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The bundled models, served once for all the judges."""
    with serve(tmp_path_factory.mktemp("judged")) as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="package")
def court(judged: Running, tmp_path_factory: pytest.TempPathFactory) -> Court:
    """Every judge's verdicts on that server, or on another of the same models whose callers need keys."""

    @contextmanager
    def keyed() -> Iterator[str]:
        keys = {"ARGOSY_API_KEYS": f"plain:{PLAIN_KEY},judge@operator:{OPERATOR_KEY}"}
        with serve(tmp_path_factory.mktemp("keyed"), environment=keys) as running:
            running.wait_ready()
            yield running.url

    return Court(judged.url, tmp_path_factory.mktemp("court"), keyed)
