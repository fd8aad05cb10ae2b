"""The Triton program."""

from __future__ import annotations

from pathlib import Path

from argosy.server.probe.checks.finding import Level
from argosy.server.probe.checks.triton import check_triton


def test_the_wheel_is_found_and_runs() -> None:
    """The real program prints its help."""
    finding = check_triton(None)
    assert finding.level is Level.OK, finding
    assert "nvidia-pytriton 0.7.0" in finding.found


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """The path that the settings name is in the message."""
    finding = check_triton(tmp_path / "tritonserver")
    assert finding.level is Level.FAIL
    assert str(tmp_path) in finding.found
    assert finding.remedy


def test_a_remote_triton_needs_none_here(tmp_path: Path) -> None:
    """With an address nothing is looked for."""
    finding = check_triton(tmp_path / "nothing", "triton:8001")
    assert finding.level is Level.OK
    assert "triton:8001" in finding.found
