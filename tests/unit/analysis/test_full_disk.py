"""R3 for `argosy analyze`: the disk is a tmpfs of 1 MiB that really is full. See `tests.suites.small_disk`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites.small_disk import run_on_small_disk


@pytest.mark.parametrize("what", ["journal", "apply"])
def test_r3_a_disk_that_fills_up_during_a_search_or_its_application(tmp_path: Path, what: str) -> None:
    """R3: no measurement that was noted is lost, the former config stays or comes back, and with room it goes on."""
    run_on_small_disk(tmp_path / "disk", 1, "tests.unit.analysis.full_disk", what)
