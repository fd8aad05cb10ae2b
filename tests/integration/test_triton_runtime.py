from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from argosy.runtime.triton.locate import TritonInstallation
from tests.integration.conftest import Serve, serving
from tests.suites.runtime_contract import RuntimeContract, RuntimeUnderTest, wanted_entries

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RuntimeUnderTest]:
    """One Triton for every test that leaves it serving."""
    place = tmp_path_factory.mktemp("shared")
    async with serving(installation, place / "run", wanted_entries(place / "store")) as served:
        yield RuntimeUnderTest(served.client, served.supervisor, served.heard)


class TestTritonRuntime(RuntimeContract):
    """The real Triton keeps the runtime contract."""

    @pytest.fixture
    def runtime(self, shared: RuntimeUnderTest) -> RuntimeUnderTest:
        return shared

    @pytest_asyncio.fixture(loop_scope="module")
    async def disposable(self, triton: Serve, tmp_path: Path) -> AsyncIterator[RuntimeUnderTest]:
        async with triton(wanted_entries(tmp_path / "store")) as served:
            yield RuntimeUnderTest(served.client, served.supervisor, served.heard)
