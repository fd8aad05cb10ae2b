"""Python and NumPy."""

from __future__ import annotations

import pytest

from argosy.server.probe.checks.finding import Level
from argosy.server.probe.checks.python import check_numpy, check_python


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.10.14", Level.FAIL), ("3.11.7", Level.OK), ("3.13.0", Level.OK), ("3.14.0rc1", Level.FAIL)],
)
def test_python(version: str, level: Level) -> None:
    """Only versions that Triton has a model process for pass."""
    finding = check_python(version)
    assert finding.level is level
    assert bool(finding.remedy) is (level is Level.FAIL)


@pytest.mark.parametrize(("version", "level"), [("1.26.4", Level.OK), ("2.3.1", Level.FAIL), ("10.0", Level.FAIL)])
def test_numpy(version: str, level: Level) -> None:
    """NumPy 2 gets the command that replaces it."""
    finding = check_numpy(version)
    assert finding.level is level
    assert ("numpy>=1.26.4,<2" in finding.remedy) is (level is Level.FAIL)


def test_the_running_interpreter_passes() -> None:
    """The environment of the tests is one that serves."""
    assert check_python().level is Level.OK
    assert check_numpy().level is Level.OK
