from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from argosy.core.errors import (
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    RuntimeFailure,
    Unavailable,
    UnsupportedParameter,
)
from argosy.core.status import ModelState
from argosy.runtime.memory import MemoryRuntime
from argosy.server.artifacts.library import Library
from argosy.server.control.messages import Progress, Snapshot
from argosy.server.control.models import ServedModels
from argosy.server.control.repository import RepositoryState
from tests.suites.echo_models import echo_chat, echo_tensors


class Workers:
    """One worker that takes over every snapshot at once, unless it is told to be slow or troubled."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.busy: set[str] = set()
        self.trouble: dict[str, str] = {}
        self.events: list[str] = []

    @property
    def listed(self) -> set[str]:
        return {entry.name for entry in self.snapshots[-1].served}

    def publish(self, snapshot: Snapshot) -> None:
        before = self.listed if self.snapshots else set()
        self.snapshots.append(snapshot)
        self.events += [f"listed {name}" for name in sorted(self.listed - before)]
        self.events += [f"unlisted {name}" for name in sorted(before - self.listed)]

    async def reached(self, goal: Callable[[Progress], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not goal(Progress(self.snapshots[-1].revision, tuple(self.busy))):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        return True

    def problems(self) -> dict[str, str]:
        return self.trouble


class Host:
    """A runtime of its own, the store it serves from, and what decides over both."""

    def __init__(self, store: Path) -> None:
        self.store = store
        wanted = [echo_chat(store, "parrot"), echo_tensors(store, "echo")]
        self.runtime = MemoryRuntime(wanted)
        self.workers = Workers()
        self.library = Library(wanted, [store])
        self.models = ServedModels(self.runtime, wanted, self.library, self.workers, drain_seconds=0.3)

    async def states(self) -> dict[str, RepositoryState]:
        return {entry.name: entry.state for entry in await self.models.index()}


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path / "store")
    host.runtime.subscribe(host.models.on_status)
    host.models.on_status(host.runtime.status)
    await host.runtime.start()
    yield host
    await host.models.stop()
    await host.runtime.stop()


async def test_the_models_of_the_start_are_listed_from_the_start(host: Host) -> None:
    """Workers list them whatever their state, and readiness depends on them."""
    first = host.workers.snapshots[0]
    assert {entry.name for entry in first.served} == {"parrot", "echo"}
    assert all(entry.required for entry in first.served)
    assert await host.states() == {"parrot": RepositoryState.READY, "echo": RepositoryState.READY}


async def test_a_model_put_into_the_store_can_be_loaded_and_is_listed_once_it_answers(host: Host) -> None:
    """The order takes it from the store by its name; readiness does not depend on it."""
    echo_chat(host.store, "second")
    assert (await host.states())["second"] is RepositoryState.UNAVAILABLE
    await host.models.load("second")
    listing = next(shot for shot in host.workers.snapshots if "second" in {entry.name for entry in shot.served})
    assert listing.status.models["second"].state is ModelState.READY
    assert not next(entry for entry in listing.served if entry.name == "second").required
    assert (await host.states())["second"] is RepositoryState.READY


async def test_an_unloaded_model_is_unlisted_first_and_let_go_after_its_last_request(host: Host) -> None:
    """The runtime keeps it while a worker is busy with it."""
    host.workers.busy.add("echo")
    order = asyncio.create_task(host.models.unload("echo"))
    async with asyncio.timeout(10):
        while "echo" in host.workers.listed:
            await asyncio.sleep(0.01)
    assert host.runtime.status.models["echo"].state is ModelState.READY
    assert (await host.states())["echo"] is RepositoryState.UNLOADING
    host.workers.busy.clear()
    await order
    assert "echo" not in host.runtime.status.models
    (entry,) = [entry for entry in await host.models.index() if entry.name == "echo"]
    assert (entry.state, entry.reason) == (RepositoryState.UNAVAILABLE, "unloaded")


async def test_an_unloaded_model_can_be_loaded_again(host: Host) -> None:
    """It is listed again, as a model of the start, with a stamp that makes workers read it anew."""
    before = {entry.name: entry.stamp for entry in host.workers.snapshots[-1].served}
    await host.models.unload("echo")
    await host.models.load("echo")
    (again,) = [entry for entry in host.workers.snapshots[-1].served if entry.name == "echo"]
    assert again.required
    assert again.stamp != before["echo"]


async def test_a_model_that_cannot_be_loaded_says_why_and_is_neither_listed_nor_wanted(host: Host) -> None:
    """The error and the index have the engine's reason; the others go on."""
    echo_tensors(host.store, "broken", parameters={"delay_ms": "not a number"})
    with pytest.raises(ModelLoadFailed, match="delay_ms"):
        await host.models.load("broken")
    assert "broken" not in host.workers.listed
    assert "broken" not in host.runtime.status.models
    (entry,) = [entry for entry in await host.models.index() if entry.name == "broken"]
    assert entry.state is RepositoryState.UNAVAILABLE
    assert "delay_ms" in entry.reason
    assert (await host.states())["echo"] is RepositoryState.READY


async def test_an_entry_that_is_broken_on_disk_is_a_load_that_failed(host: Host) -> None:
    """The runtime is not asked."""
    (host.store / "bad" / "1").mkdir(parents=True)
    (host.store / "bad" / "argosy.yaml").write_text("schema: 2")
    with pytest.raises(ModelLoadFailed, match="schema"):
        await host.models.load("bad")


async def test_a_model_that_no_worker_can_serve_is_taken_back(host: Host) -> None:
    """A chat template that does not compile is found by the workers, and the load has failed."""
    echo_chat(host.store, "second")
    host.workers.trouble = {"second": "its chat template is broken"}
    with pytest.raises(ModelLoadFailed, match="chat template"):
        await host.models.load("second")
    assert "second" not in host.workers.listed
    assert "second" not in host.runtime.status.models


@pytest.mark.parametrize("name", ["../echo", "a/b", "", "x" * 65])
async def test_v4_only_names_are_taken(host: Host, name: str) -> None:
    """V4: whatever is no model name is refused by name, before the disk is touched."""
    for order in (host.models.load, host.models.unload):
        with pytest.raises(InvalidRequest):
            await order(name)


async def test_an_unknown_name_is_not_found(host: Host) -> None:
    """Both orders say so."""
    for order in (host.models.load, host.models.unload):
        with pytest.raises(ModelNotFound, match="nobody"):
            await order("nobody")


async def test_unloading_what_is_not_loaded_is_no_error(host: Host) -> None:
    """A second order changes nothing."""
    await host.models.unload("echo")
    await host.models.unload("echo")
    assert host.workers.events.count("unlisted echo") == 1


async def test_while_the_runtime_is_down_an_order_to_load_is_refused_for_now(host: Host) -> None:
    """The caller may try again; nothing was changed."""
    await host.models.unload("echo")
    await host.runtime.stop()
    with pytest.raises(Unavailable):
        await host.models.load("echo")
    assert "echo" not in host.workers.listed


async def test_t6_orders_without_end_leave_the_index_as_the_last_one_said(host: Host) -> None:
    """T6: 200 orders for one model at once; the index and the runtime are what the last one wanted."""
    orders = [host.models.load("echo") if index % 2 else host.models.unload("echo") for index in range(200)]
    await asyncio.gather(*orders, return_exceptions=True)
    assert (await host.states())["echo"] is RepositoryState.READY
    assert host.runtime.status.models["echo"].state is ModelState.READY


async def test_the_index_can_leave_out_what_is_not_ready(host: Host) -> None:
    """`ready_only` keeps what takes requests."""
    await host.models.unload("echo")
    assert [entry.name for entry in await host.models.index(ready_only=True)] == ["parrot"]
    assert [entry.name for entry in await host.models.index()] == ["echo", "parrot"]


async def test_a_note_explains_what_was_never_tried(host: Host) -> None:
    """A broken adapter is in the index by its name."""
    host.models.note("half-copied", "has no adapter_config.json")
    (entry,) = [entry for entry in await host.models.index() if entry.name == "half-copied"]
    assert (entry.state, entry.reason) == (RepositoryState.UNAVAILABLE, "has no adapter_config.json")
    host.models.note("half-copied", "")
    assert "half-copied" not in await host.states()


async def test_a_folder_whose_name_is_not_utf_8_can_be_told_of(host: Host) -> None:
    """Its name and the path in its reason are text that any dialect can send."""
    host.models.note("bad\udcff", "/peft/bad\udcff cannot be read.")
    (entry,) = [entry for entry in await host.models.index() if entry.name.startswith("bad")]
    assert (entry.name, entry.reason) == ("bad\ufffd", "/peft/bad\ufffd cannot be read.")


async def test_a_runtime_that_takes_no_orders_keeps_its_models_listed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal changes nothing."""

    async def refuse(_self: MemoryRuntime, _name: str) -> None:
        raise UnsupportedParameter("Not here.")

    monkeypatch.setattr(MemoryRuntime, "unload", refuse)
    with pytest.raises(UnsupportedParameter):
        await host.models.unload("echo")
    assert "echo" in host.workers.listed
    assert (await host.states())["echo"] is RepositoryState.READY


async def test_an_unload_that_got_no_answer_can_be_ordered_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not listed any more may still have to be let go."""

    async def silence(_self: MemoryRuntime, _name: str) -> None:
        raise RuntimeFailure("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryRuntime, "unload", silence)
        with pytest.raises(Unavailable):
            await host.models.unload("echo")
    await host.models.unload("echo")
    assert "echo" not in host.runtime.status.models
