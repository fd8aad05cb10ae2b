"""R3 for converters: the disk is a tmpfs of 3 MiB that really is full. See `tests.suites.small_disk`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.suites.small_disk import run_on_small_disk
from tests.unit.conversion.full_disk import SIZE


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(random.Random(1).randbytes(SIZE))  # noqa: S311 - variety, not secrecy
    return path


@pytest.mark.parametrize("what", ["publish", "step", "cut"])
def test_r3_a_disk_that_fills_up_during_a_conversion(tmp_path: Path, weights: Path, what: str) -> None:
    """R3: the old entry or none until the new one is whole; what may be cut short is not done; with room it goes on."""
    run_on_small_disk(tmp_path / "disk", 3, "tests.unit.conversion.full_disk", str(weights), what)
