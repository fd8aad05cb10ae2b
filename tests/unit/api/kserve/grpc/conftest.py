from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.suites.kserve_grpc import GrpcUnderTest, over_memory


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GrpcUnderTest]:
    """A listening server over the in-process runtime."""
    async with over_memory(tmp_path) as ready:
        yield ready
