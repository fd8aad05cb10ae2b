"""`argosy doctor`."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from click.testing import CliRunner

from argosy.cli.doctor import command


def test_a_taken_port_fails_with_the_command_that_frees_it() -> None:
    """Exit code 1, the process named, the command on a line of its own."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        taken = server.getsockname()[1]
        result = CliRunner(env={"ARGOSY_PORT": str(taken), "COLUMNS": "200"}).invoke(command)
    assert result.exit_code == 1
    assert f"kill {os.getpid()}, or export ARGOSY_PORT={taken + 1}" in result.output
    assert "to fix before serving" in result.output


def test_a_good_machine_exits_with_0() -> None:
    """The machine that runs the tests can serve."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        free = server.getsockname()[1]
    result = CliRunner(env={"ARGOSY_PORT": str(free)}).invoke(command, ["--json"])
    document = json.loads(result.output)
    assert [check for check in document["checks"] if check["status"] == "fail"] == []
    assert result.exit_code == 0
    assert document["ok"] is True
    assert document["host"]["cores"] >= 1
    assert {"check", "status", "found", "remedy"} == set(document["checks"][0])


def test_a_cache_that_cannot_be_written_fails(tmp_path: Path) -> None:
    """The folder of the settings is the one that is tried."""
    (tmp_path / "file").write_text("")
    result = CliRunner(env={"ARGOSY_CACHE": str(tmp_path / "file" / "x")}).invoke(command, ["--json"])
    cache = next(check for check in json.loads(result.output)["checks"] if check["check"] == "Cache")
    assert result.exit_code == 1
    assert cache["status"] == "fail"
    assert "ARGOSY_CACHE" in cache["remedy"]


def test_help_has_an_example() -> None:
    """The help shows a command line."""
    assert "argosy doctor --json" in CliRunner().invoke(command, ["--help"]).output
