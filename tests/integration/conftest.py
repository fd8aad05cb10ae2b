"""A real Triton that serves echo models, for every test below."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from argosy.core.status import RuntimeStatus
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.group import STUB_PROGRAM
from argosy.runtime.triton.locate import TritonInstallation, locate
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.store.entries import ModelEntry
from tests.suites.runtime_contract import GENEROUS, until_ready


def all_regions() -> set[str]:
    """Shared memory regions of every Triton model on this machine."""
    return {path.name for path in Path("/dev/shm").glob("*_backend_shm_region_*")}


@dataclass(slots=True)
class Served:
    """A started supervisor with a client connected to it, as a gateway would have."""

    supervisor: TritonSupervisor
    client: TritonClient
    run_directory: Path
    heard: list[RuntimeStatus] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    @property
    def stubs(self) -> dict[str, int]:
        """Process ids of the model processes by model."""
        found: dict[str, int] = {}
        if not self.supervisor.pid:
            return found
        for process in psutil.Process(self.supervisor.pid).children(recursive=True):
            try:
                command = process.cmdline()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if command and Path(command[0]).name == STUB_PROGRAM:
                found[Path(command[1]).parent.parent.name] = process.pid
        return found

    def note_regions(self) -> set[str]:
        """Shared memory regions mapped by the model processes now; `seen` keeps them for the end."""
        mapped = "".join(_maps(pid) for pid in self.stubs.values())
        now = {name for name in all_regions() if name in mapped}
        self.seen |= now
        return now

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    async def healed(self, after_generation: int) -> None:
        """Wait until a newer generation is ready, and connect to it."""
        await until_ready(self.supervisor, after_generation)
        await self.client.connect(self.supervisor.status.address)
        self.note_regions()


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def left_over(run_directory: Path) -> list[str]:
    """Processes, zombies of ours included, that have to do with the Triton of `run_directory`."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            zombie = process.status() == psutil.STATUS_ZOMBIE and process.ppid() == os.getpid()
        except psutil.NoSuchProcess:
            continue
        if str(run_directory) in command or (zombie and process.name().startswith("triton")):
            found.append(f"{process.pid} {process.status()} {command}")
    return found


@pytest.fixture(scope="session")
def installation() -> TritonInstallation:
    """The Triton on this machine."""
    return locate()


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def serving(
    installation: TritonInstallation,
    run_directory: Path,
    entries: Sequence[ModelEntry],
    watch: WatchOptions | None = None,
    within: float = 2 * GENEROUS,
) -> AsyncIterator[Served]:
    """A supervised Triton, started `within` seconds; nothing of it may be left afterwards."""
    options = SupervisorOptions(run_directory, watch=watch or WatchOptions())
    supervisor = TritonSupervisor(installation, entries, options)
    served = Served(supervisor, TritonClient(on_suspect=supervisor.suspect), run_directory)
    supervisor.subscribe(served.heard.append)
    try:
        async with asyncio.timeout(within):
            await supervisor.start()
        await served.client.connect(supervisor.status.address)
        served.note_regions()
        yield served
        served.note_regions()
    finally:
        try:
            await served.client.close()
        finally:
            await supervisor.stop()
    assert left_over(run_directory) == []
    assert served.seen & all_regions() == set()


@pytest.fixture
def triton(installation: TritonInstallation, tmp_path: Path) -> Serve:
    """`async with triton(entries, watch) as served`: see `serving`."""

    def serve(entries: Sequence[ModelEntry], watch: WatchOptions | None = None) -> AbstractAsyncContextManager[Served]:
        return serving(installation, tmp_path / "run", entries, watch)

    return serve
