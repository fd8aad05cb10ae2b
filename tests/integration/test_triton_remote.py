from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from argosy.core.errors import RuntimeStartFailed
from argosy.core.status import ModelState, RuntimeState
from argosy.runtime.triton.remote import RemoteOptions, RemoteTriton
from tests.integration.conftest import Serve
from tests.suites.echo_models import echo_chat, echo_tensors

pytestmark = pytest.mark.triton


async def until(remote: RemoteTriton, state: RuntimeState) -> None:
    async with asyncio.timeout(60):
        while remote.status.state is not state:
            await asyncio.sleep(0.02)


async def test_models_of_a_triton_somebody_else_runs_are_ready_once_they_answer(triton: Serve, tmp_path: Path) -> None:
    """Tensor and decoupled models are proved by canaries; one that is not there is failed by name."""
    store = tmp_path / "store"
    entries = [echo_tensors(store, "echo"), echo_chat(store, "parrot")]
    async with triton(entries) as served:
        absent = echo_tensors(store, "absent")
        remote = RemoteTriton([*entries, absent], RemoteOptions(served.supervisor.status.address))
        await remote.start()
        states = {name: model.state for name, model in remote.status.models.items()}
        assert states == {"echo": ModelState.READY, "parrot": ModelState.READY, "absent": ModelState.FAILED}
        assert remote.status.address == served.supervisor.status.address
        await remote.stop()
        assert served.supervisor.status.ready


async def test_a_remote_triton_that_goes_away_is_fenced(triton: Serve, tmp_path: Path) -> None:
    """When the server stops answering no model is ready any more, and there is no address to send to."""
    entry = echo_tensors(tmp_path / "store", "echo")
    async with triton([entry]) as served:
        options = RemoteOptions(served.supervisor.status.address, interval=0.1, answer_within=2)
        remote = RemoteTriton([entry], options)
        await remote.start()
        await served.supervisor.stop()
        await until(remote, RuntimeState.FENCED)
        assert remote.status.address == ""
        assert remote.status.models["echo"].state is ModelState.FENCED
        await remote.stop()
        assert remote.status.state is RuntimeState.STOPPED


async def test_no_triton_at_the_address_is_a_start_that_failed(tmp_path: Path) -> None:
    """The message names the address."""
    remote = RemoteTriton([], RemoteOptions(f"unix:{tmp_path}/nobody", start_deadline=0.5))
    with pytest.raises(RuntimeStartFailed, match="nobody"):
        await remote.start()
