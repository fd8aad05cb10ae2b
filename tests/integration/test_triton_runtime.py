from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.suites.runtime_contract import RuntimeContract, RuntimeUnderTest, wanted_entries

pytestmark = pytest.mark.triton


class TestTritonRuntime(RuntimeContract):
    """The real Triton keeps the runtime contract."""

    @pytest.fixture
    async def runtime(self, triton: Serve, tmp_path: Path) -> AsyncIterator[RuntimeUnderTest]:
        async with triton(wanted_entries(tmp_path / "store")) as served:
            yield RuntimeUnderTest(served.client, served.supervisor, served.heard)
