"""The gateway's port."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.server.probe.checks.finding import Level
from argosy.server.probe.checks.port import check_port, listener


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


def test_a_taken_port_names_its_holder(taken: int) -> None:
    """The process that listens is named with the command that ends it."""
    finding = check_port("127.0.0.1", taken)
    assert finding.level is Level.FAIL
    assert f"process {os.getpid()} (" in finding.found
    assert f"kill {os.getpid()}" in finding.remedy
    assert "ARGOSY_PORT" in finding.remedy


def test_a_holder_that_cannot_be_seen(taken: int, tmp_path: Path) -> None:
    """Without /proc the message still says what to run."""
    finding = check_port("127.0.0.1", taken, tmp_path)
    assert finding.level is Level.FAIL
    assert "ss -lntp" in finding.remedy


def test_a_free_port(taken: int) -> None:
    """A port that nobody listens on passes, and is free afterwards."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    assert check_port("127.0.0.1", port).level is Level.OK
    assert check_port("127.0.0.1", port).level is Level.OK
    assert listener(port) is None


def test_an_address_of_another_machine() -> None:
    """An address that is not this machine's fails with the address."""
    finding = check_port("192.0.2.1", 8000)
    assert finding.level is Level.FAIL
    assert "192.0.2.1" in finding.found
    assert "ARGOSY_HOST" in finding.remedy
