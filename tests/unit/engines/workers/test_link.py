"""A worker may have another interpreter and further variables; the OpenVINO GenAI engine's tests show all else."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.workers.link import WorkerLink, WorkerProgram
from argosy.engines.workers.messages import LoadFailed
from argosy.engines.workers.supervisor import WorkerSupervisor


def program(python: Path) -> WorkerProgram:
    return WorkerProgram(
        "Some library", "some.module", LoadFailed(""), "/models/x", bytes, str(python), {"SOME_VARIABLE": "its value"}
    )


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that writes down how it was started, and ends."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\necho "$1 $2 $3 $SOME_VARIABLE" > {tmp_path}/seen\nexit 3\n')
    path.chmod(0o755)
    return path


def test_the_interpreter_and_the_variables_are_the_programs(python: Path) -> None:
    """With the module to run, and with nothing of the working directory."""
    link = WorkerLink(program(python))
    with pytest.raises(EOFError):
        link.receive()
    assert link.close() == 3
    assert (python.parent / "seen").read_text() == "-P -m some.module its value\n"


def test_a_worker_that_ends_before_it_has_loaded_is_told(python: Path) -> None:
    """With the library, what it was to load, and its exit status; nothing is started again."""
    supervisor: WorkerSupervisor[object] = WorkerSupervisor("x", program(python))
    supervisor.start()
    with pytest.raises(InvalidModelEntry, match=r"Some library cannot load /models/x: .*exit status 3"):
        supervisor.ready(30)
    supervisor.stop()
