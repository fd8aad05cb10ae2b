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


def regions() -> set[str]:
    """Shared memory regions of Triton models on this machine."""
    return {name for name in os.listdir("/dev/shm") if "_backend_shm_region_" in name}


@dataclass(slots=True)
class Served:
    """A started supervisor with a client connected to it, as a gateway would have."""

    supervisor: TritonSupervisor
    client: TritonClient
    run_directory: Path
    heard: list[RuntimeStatus] = field(default_factory=list)

    @property
    def stubs(self) -> dict[str, int]:
        """Process ids of the model processes by model."""
        found = {}
        for process in psutil.Process(self.supervisor.pid).children(recursive=True):
            command = process.cmdline()
            if command and Path(command[0]).name == STUB_PROGRAM:
                found[Path(command[1]).parent.parent.name] = process.pid
        return found

    @property
    def regions(self) -> set[str]:
        """Shared memory regions mapped by the model processes."""
        return {name for pid in self.stubs.values() for name in regions() if name in _maps(pid)}

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    async def healed(self, after_generation: int) -> None:
        """Wait until a newer generation is ready, and connect to it."""
        await until_ready(self.supervisor, after_generation)
        await self.client.connect(self.supervisor.status.address)


def _maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


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


@pytest.fixture
def triton(installation: TritonInstallation, tmp_path: Path) -> Serve:
    """`async with triton(entries, …) as served`: a supervised Triton; nothing of it may be left afterwards."""

    @asynccontextmanager
    async def serve(entries: Sequence[ModelEntry], watch: WatchOptions | None = None) -> AsyncIterator[Served]:
        run_directory = tmp_path / "run"
        before = regions()
        options = SupervisorOptions(run_directory, watch=watch or WatchOptions())
        supervisor = TritonSupervisor(installation, entries, options)
        served = Served(supervisor, TritonClient(on_suspect=supervisor.suspect), run_directory)
        supervisor.subscribe(served.heard.append)
        try:
            async with asyncio.timeout(2 * GENEROUS):
                await supervisor.start()
            await served.client.connect(supervisor.status.address)
            yield served
        finally:
            await served.client.close()
            await supervisor.stop()
        assert left_over(run_directory) == []
        assert regions() - before == set()

    return serve
