"""What all tests share: how two processes divide them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

_UNIT = Path(__file__).parent / "unit"


# Before pytest-xdist's own hook, which reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Keep everything that starts servers in one process, one after another; unit tests go wherever there is time.

    Those tests count the processes and shared memory of the whole machine, and share one server a session.
    """
    for item in items:
        if not item.path.is_relative_to(_UNIT):
            item.add_marker(pytest.mark.xdist_group("servers"))
