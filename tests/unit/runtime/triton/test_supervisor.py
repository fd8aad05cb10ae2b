from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import RuntimeFailure, RuntimeStartFailed
from argosy.core.status import RuntimeState, RuntimeStatus
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from tests.suites.echo_models import echo_tensors


@pytest.fixture
def broken(tmp_path: Path) -> TritonInstallation:
    """A Triton that says something and ends."""
    files = {name: tmp_path / "t" / name for name in ("tritonserver", "libtriton_python.so", "stub")}
    (tmp_path / "t").mkdir()
    for path in files.values():
        path.write_text("#!/bin/sh\necho the disk is on fire\nexit 0\n")
        path.chmod(0o755)
    binary, backend, stub = files.values()
    return TritonInstallation(binary, backend, (), stub, None, (), Path("/usr/bin/python3"), "binary")


async def test_server_that_ends_at_once_fails_the_start(broken: TritonInstallation, tmp_path: Path) -> None:
    """A server that does not come up raises with the end of its log, leaves no lock, and was heard of."""
    heard: list[RuntimeStatus] = []
    supervisor = TritonSupervisor(broken, [echo_tensors(tmp_path)], SupervisorOptions(tmp_path / "run"))
    supervisor.subscribe(heard.append)
    with pytest.raises(RuntimeStartFailed, match="the disk is on fire"):
        await supervisor.start()
    assert supervisor.status.state is RuntimeState.STOPPED
    again = TritonSupervisor(broken, [], SupervisorOptions(tmp_path / "run"))
    with pytest.raises(RuntimeStartFailed):
        await again.start()
    assert heard[0].state is RuntimeState.STARTING


async def test_stopping_before_starting_is_harmless(broken: TritonInstallation, tmp_path: Path) -> None:
    """`stop` without `start` does nothing, and nothing else works yet."""
    supervisor = TritonSupervisor(broken, [], SupervisorOptions(tmp_path / "run"))
    await supervisor.stop()
    supervisor.suspect("m", "whatever")
    assert supervisor.status.state is RuntimeState.STOPPED
    assert (supervisor.pid, supervisor.metrics_url) == (0, "")
    with pytest.raises(RuntimeFailure):
        await supervisor.load(echo_tensors(tmp_path))


async def test_defect_of_supervision_is_not_ready(
    broken: TritonInstallation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When supervision itself breaks, the start fails instead of waiting for ever."""

    async def break_down(self: TritonSupervisor) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TritonSupervisor, "_serve_until_fault", break_down)
    supervisor = TritonSupervisor(broken, [], SupervisorOptions(tmp_path / "run"))
    states: list[RuntimeState] = []
    supervisor.subscribe(lambda status: states.append(status.state))
    with pytest.raises(RuntimeStartFailed, match="internal error"):
        await supervisor.start()
    assert RuntimeState.FAILED in states
