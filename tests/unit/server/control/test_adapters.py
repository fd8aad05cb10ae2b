from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from argosy.core.errors import RuntimeFailure
from argosy.core.status import ModelState, ModelStatus
from argosy.runtime.memory import MemoryRuntime
from argosy.server.artifacts.adapters.folder import AdapterFolder, AdapterOptions
from argosy.server.artifacts.library import Library
from argosy.server.control.adapters import AdapterWatcher
from argosy.server.control.messages import Progress, Snapshot
from argosy.server.control.models import ServedModels
from argosy.server.control.repository import RepositoryEntry, RepositoryState
from argosy.store.entries import ModelEntry
from tests.suites.adapter_folders import adapter
from tests.suites.echo_models import echo_chat

INTERVAL = 0.05


class Audience:
    """One worker that takes everything over at once."""

    def __init__(self) -> None:
        self.newest: Snapshot | None = None

    @property
    def listed(self) -> dict[str, int]:
        return {entry.name: entry.stamp for entry in self.newest.served} if self.newest else {}

    def publish(self, snapshot: Snapshot) -> None:
        self.newest = snapshot

    async def reached(self, goal: Callable[[Progress], bool], seconds: float) -> bool:
        return self.newest is not None and goal(Progress(self.newest.revision))

    def problems(self) -> dict[str, str]:
        return {}


class Server:
    """A runtime with `parrot`, a folder for its adapters, and what watches it."""

    def __init__(self, folder: Path, *, interval: float = INTERVAL) -> None:
        self.source = folder / "peft"
        self.source.mkdir(exist_ok=True)
        base = echo_chat(folder / "store")
        adapters = AdapterFolder(AdapterOptions(self.source), [base], folder / "cache", {"parrot"})
        first = adapters.scan()
        wanted = [base, *first.entries]
        self.runtime = MemoryRuntime(wanted)
        self.audience = Audience()
        self.library = Library(wanted, [folder / "store"])
        self.models = ServedModels(self.runtime, wanted, self.library, self.audience, drain_seconds=0)
        self.watcher = AdapterWatcher(adapters, self.models, self.library, self.runtime, first=first, interval=interval)

    async def start(self) -> None:
        self.runtime.subscribe(self.models.on_status)
        await self.runtime.start()
        await self.watcher.start()

    async def stop(self) -> None:
        await self.watcher.stop()
        await self.models.stop()
        await self.runtime.stop()

    async def entry(self, name: str) -> RepositoryEntry | None:
        return next((entry for entry in await self.models.index() if entry.name == name), None)

    async def is_ready(self, name: str) -> bool:
        entry = await self.entry(name)
        return entry is not None and entry.state is RepositoryState.READY and name in self.audience.listed

    async def is_gone(self, name: str) -> bool:
        return await self.entry(name) is None and name not in self.runtime.status.models

    async def is_refused(self, name: str) -> bool:
        entry = await self.entry(name)
        return entry is not None and entry.state is RepositoryState.UNAVAILABLE and entry.reason not in {"", "unloaded"}


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await reached():
            await asyncio.sleep(0.01)


async def looks(count: int = 4) -> None:
    await asyncio.sleep(count * INTERVAL)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def test_an_adapter_that_is_put_there_is_served_and_one_taken_away_is_not(server: Server) -> None:
    """Beside its base, which goes on."""
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))
    assert await server.is_ready("parrot")
    shutil.rmtree(server.source / "loud")
    await until(lambda: server.is_gone("loud"))
    assert set(server.audience.listed) == {"parrot"}


async def test_a_changed_adapter_is_loaded_anew(server: Server) -> None:
    """Workers are told to read it again, and the runtime has the new form."""
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))
    stamp, place = server.audience.listed["loud"], server.library.find("loud").directory
    adapter(server.source / "loud", lora_alpha=9)

    async def is_new() -> bool:
        return server.audience.listed.get("loud", stamp) != stamp

    await until(is_new)
    assert server.library.find("loud").directory != place


async def test_a_broken_adapter_is_reported_by_name_and_served_once_it_is_mended(server: Server) -> None:
    """The others are served meanwhile."""
    adapter(server.source / "high", r=64)
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))
    await until(lambda: server.is_refused("high"))
    assert "rank 64" in (await server.entry("high")).reason  # type: ignore[union-attr]
    adapter(server.source / "high")
    await until(lambda: server.is_ready("high"))


async def test_a_broken_adapter_that_is_taken_away_is_forgotten(server: Server) -> None:
    """The index does not keep it."""
    adapter(server.source / "high", r=64)
    await until(lambda: server.is_refused("high"))
    shutil.rmtree(server.source / "high")
    await until(lambda: server.is_gone("high"))


async def test_a_change_for_the_worse_leaves_the_former_adapter_serving(server: Server) -> None:
    """As long as its folder is there."""
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))
    adapter(server.source / "loud", r=64)
    await looks()
    assert await server.is_ready("loud")


async def test_an_adapter_that_an_operator_unloaded_stays_so_until_it_changes(server: Server) -> None:
    """The folder says what there is, the operator what is served."""
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))
    await server.models.unload("loud")
    await looks()
    assert not await server.is_ready("loud")
    await server.models.load("loud")
    assert await server.is_ready("loud")
    await server.models.unload("loud")
    adapter(server.source / "loud", lora_alpha=9)
    await until(lambda: server.is_ready("loud"))


async def test_a_folder_that_is_lost_for_a_while_changes_nothing(server: Server, tmp_path: Path) -> None:
    """What is served goes on, and changes are seen once it is back."""
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))
    server.source.rename(tmp_path / "away")
    await looks()
    assert await server.is_ready("loud")
    (tmp_path / "away").rename(server.source)
    shutil.rmtree(server.source / "loud")
    await until(lambda: server.is_gone("loud"))


async def test_without_an_interval_the_folder_is_looked_at_once(tmp_path: Path) -> None:
    """Adapters of the start are served; later ones are not."""
    adapter(tmp_path / "peft" / "loud")
    server = Server(tmp_path, interval=0)
    await server.start()
    assert await server.is_ready("loud")
    adapter(server.source / "soft")
    await looks()
    assert await server.entry("soft") is None
    await server.stop()


async def test_an_adapter_that_does_not_load_at_the_start_is_not_listed(tmp_path: Path) -> None:
    """It is in the index with the engine's reason, and the base serves."""
    adapter(tmp_path / "peft" / "loud")
    server = Server(tmp_path)
    config = server.library.find("loud").directory / "config.pbtxt"
    broken = 'parameters { key: "delay_ms" value { string_value: "no number" } }'
    config.write_text(config.read_text() + broken)
    await server.start()
    assert set(server.audience.listed) == {"parrot"}
    assert server.runtime.status.models["parrot"].state is ModelState.READY
    assert await server.is_refused("loud")
    await server.stop()


async def test_a_runtime_that_fails_while_an_adapter_is_given_up_does_not_end_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base serves once the runtime has healed, and the index has the adapter's own reason."""
    adapter(tmp_path / "peft" / "loud")
    server = Server(tmp_path)
    config = server.library.find("loud").directory / "config.pbtxt"
    config.write_text(config.read_text() + 'parameters { key: "delay_ms" value { string_value: "no number" } }')

    async def fails(_name: str) -> None:
        raise RuntimeFailure("Triton did not answer.")

    monkeypatch.setattr(server.runtime, "unload", fails)
    await server.start()
    assert set(server.audience.listed) == {"parrot"}
    assert await server.is_refused("loud")
    await server.stop()


async def test_an_adapter_that_came_and_went_while_the_runtime_was_down_is_forgotten(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can load it later from what was made of it."""
    tried = asyncio.Event()

    async def fails(_entry: ModelEntry) -> ModelStatus:
        tried.set()
        raise RuntimeFailure("Triton is not running right now.")

    monkeypatch.setattr(server.runtime, "load", fails)
    adapter(server.source / "loud")
    async with asyncio.timeout(20):
        await tried.wait()
    shutil.rmtree(server.source / "loud")
    await until(lambda: server.is_gone("loud"))


async def test_a_defect_in_one_look_does_not_end_the_watch(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look is made as if nothing had been."""
    looked = []

    def fails(_folder: AdapterFolder, _quiet: float) -> None:
        looked.append(1)
        raise OverflowError

    with monkeypatch.context() as patched:
        patched.setattr(AdapterFolder, "scan", fails)

        async def has_looked() -> bool:
            return bool(looked)

        await until(has_looked)
    adapter(server.source / "loud")
    await until(lambda: server.is_ready("loud"))


async def test_adapters_are_not_what_readiness_depends_on(tmp_path: Path) -> None:
    """Workers are told which models are."""
    adapter(tmp_path / "peft" / "loud")
    server = Server(tmp_path)
    await server.start()
    assert server.audience.newest is not None
    assert {entry.name: entry.required for entry in server.audience.newest.served} == {"parrot": True, "loud": False}
    await server.stop()
