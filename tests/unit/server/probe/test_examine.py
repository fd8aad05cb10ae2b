"""All checks together."""

from __future__ import annotations

import socket
from pathlib import Path

from argosy.server.probe.checks.finding import Level
from argosy.server.probe.examine import Plan, examine
from argosy.server.probe.host import probe


def test_every_subject_is_looked_at_once(tmp_path: Path) -> None:
    """No check is forgotten, none is made twice, and a machine that runs the tests can serve."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    findings = examine(probe(), Plan("127.0.0.1", port, tmp_path / "cache", tmp_path / "run"))
    names = [finding.check for finding in findings]
    assert len(names) == len(set(names))
    assert {"Python", "NumPy", "Triton", "OpenVINO", "OpenVINO GenAI", "/dev/shm", f"Port {port}"} <= set(names)
    assert [finding for finding in findings if finding.level is Level.FAIL] == []
    assert all(finding.remedy for finding in findings if finding.level is Level.FAIL)
