from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argosy.core.status import RuntimeStatus
from argosy.runtime.memory import MemoryRuntime
from tests.suites.runtime_contract import RuntimeContract, RuntimeUnderTest, wanted_entries


class TestMemoryRuntime(RuntimeContract):
    """The in-process twin keeps the runtime contract."""

    @pytest.fixture
    async def runtime(self, tmp_path: Path) -> AsyncIterator[RuntimeUnderTest]:
        memory = MemoryRuntime(wanted_entries(tmp_path))
        heard: list[RuntimeStatus] = []
        memory.subscribe(heard.append)
        await memory.start()
        yield RuntimeUnderTest(memory, memory, heard)
        await memory.stop()

    @pytest.fixture
    def disposable(self, runtime: RuntimeUnderTest) -> RuntimeUnderTest:
        return runtime
