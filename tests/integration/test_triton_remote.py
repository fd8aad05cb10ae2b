from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from argosy.core.errors import RuntimeStartFailed, UnsupportedParameter
from argosy.core.status import ModelState, RuntimeState
from argosy.runtime.triton import group
from argosy.runtime.triton.backend_directory import prepare_backends
from argosy.runtime.triton.control import TritonControl
from argosy.runtime.triton.fence import Fence, ServerOptions, command
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.remote import RemoteOptions, RemoteTriton
from argosy.runtime.triton.repository import render_repository
from argosy.store.entries import ModelEntry
from tests.integration.conftest import Serve
from tests.suites.echo_models import echo_chat, echo_tensors

pytestmark = [pytest.mark.triton, pytest.mark.alone]


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


async def test_a_remote_triton_that_takes_no_orders_is_left_alone(triton: Serve, tmp_path: Path) -> None:
    """Its model repository is restricted: the refusal says what to change, and the model stays wanted."""
    entry = echo_tensors(tmp_path / "store", "echo")
    async with triton([entry]) as served:
        remote = RemoteTriton([entry], RemoteOptions(served.supervisor.status.address))
        await remote.start()
        with pytest.raises(UnsupportedParameter, match="--model-control-mode=explicit"):
            await remote.unload("echo")
        with pytest.raises(UnsupportedParameter, match="--model-control-mode=explicit"):
            await remote.load(entry)
        assert remote.status.models["echo"].state is ModelState.READY
        await remote.stop()
        assert served.supervisor.status.ready


async def test_orders_are_passed_on_to_a_remote_triton_that_takes_them(
    installation: TritonInstallation, tmp_path: Path
) -> None:
    """Load and unload happen there; a name it does not have has failed with its words."""
    store = tmp_path / "store"
    echo, absent = echo_tensors(store, "echo"), echo_chat(tmp_path / "elsewhere", "absent")
    async with somebody_elses_triton(installation, tmp_path, [echo]) as address:
        remote = RemoteTriton([], RemoteOptions(address))
        await remote.start()
        assert (await remote.load(echo)).state is ModelState.READY
        assert remote.status.models["echo"].state is ModelState.READY
        assert (await remote.load(absent)).state is ModelState.FAILED
        assert set(remote.status.models) == {"echo"}
        await remote.unload("echo")
        await remote.unload("echo")
        assert remote.status.models == {}
        control = TritonControl(address)
        assert not await control.ready("echo", 10)
        await control.close()
        await remote.stop()


@asynccontextmanager
async def somebody_elses_triton(
    installation: TritonInstallation, folder: Path, entries: list[ModelEntry]
) -> AsyncIterator[str]:
    """A Triton without our fence that lets its models be loaded; its address."""
    repository = render_repository(folder / "repository", entries, {})
    backends = prepare_backends(folder / "backends", installation)
    fence = Fence.fresh(folder, 1)
    arguments = command(installation, repository, backends, fence, ServerOptions())
    process = await asyncio.create_subprocess_exec(
        *(argument for argument in arguments if not argument.startswith("--grpc-restricted-protocol")),
        env=installation.environment(dict(os.environ)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield fence.address
    finally:
        group.destroy(process.pid, group.members(process.pid))
        await process.wait()
