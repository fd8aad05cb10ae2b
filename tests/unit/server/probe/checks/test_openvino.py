"""OpenVINO's libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from argosy.server.probe.checks.finding import Level
from argosy.server.probe.checks.openvino import check_genai, check_openvino


def test_the_installed_libraries_pass() -> None:
    """Both import, and OpenVINO sees the processor."""
    assert check_genai().level is Level.OK
    finding = check_openvino()
    assert finding.level is Level.OK
    assert finding.found.endswith("on CPU")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'ImportError: libtbb.so.12: no such file' >&2; exit 1", "libtbb"),
        ("kill -SEGV $$", "exit status -11"),
        ("""echo '["2026.4", "NPU"]'""", "no CPU device"),
    ],
)
def test_a_broken_library_does_not_end_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    """The import runs apart; however it ends, there is a finding with a remedy."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    finding = check_openvino()
    assert finding.level is Level.FAIL
    assert says in finding.found
    assert finding.remedy.startswith("pip install")
