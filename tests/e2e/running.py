"""Starting `argosy serve` the way a person does, and looking at what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from argosy.runtime.triton.group import SHOW_STACKS

READY_WITHIN = 110.0
"""Generous: a busy machine is slow, and time never decides a test."""


@dataclass
class Running:
    """One `argosy serve` and how to reach it."""

    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int
    log: Path
    run_dir: Path
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    seen_regions: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, trust_env=False, **options)

    def post(self, path: str, body: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=60, trust_env=False, **options)

    def ready(self) -> bool:
        try:
            return self.get("/v1/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def wait_ready(self, within: float = READY_WITHIN) -> float:
        """Seconds until readiness."""
        began = time.monotonic()
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() - began > within:
                raise AssertionError(f"argosy serve is not ready after {within:.0f} s:\n{self.whereabouts()}")
            time.sleep(0.05)
        self.family()
        return time.monotonic() - began

    def whereabouts(self) -> str:
        """What it has said, and what each of its processes and threads waits in."""
        said = [self.log.read_text()[-6000:]]
        if self.process.poll() is None:
            for stub in self.stubs():
                stub.send_signal(SHOW_STACKS)
            time.sleep(0.5)
            said += [_waiting(process) for process in self.family()]
        with contextlib.suppress(OSError):
            said.append((self.run_dir / "triton.log").read_text()[-8000:])
        return "\n".join(said)

    def wait_not_ready(self, within: float = 30) -> None:
        deadline = time.monotonic() + within
        while self.ready():
            assert time.monotonic() < deadline, "readiness never flipped"
            time.sleep(0.01)

    def family(self) -> list[psutil.Process]:
        """Every process below the supervisor now; all that were ever seen are remembered."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update({child.pid: child for child in children})
        return children

    def find(self, word: str) -> list[psutil.Process]:
        """Descendants whose program name holds `word`."""
        found = []
        for child in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                if word in Path((child.cmdline() or [""])[0]).name:
                    found.append(child)
        return found

    def regions(self) -> set[str]:
        """Shared memory of its model processes that exists now; all that was ever seen is remembered."""
        for stub in self.stubs() if self.process.poll() is None else ():
            with contextlib.suppress(psutil.Error):
                mapped = {Path(item.path) for item in stub.memory_maps()}
                self.seen_regions.update(path.name for path in mapped if path.parent == Path("/dev/shm"))
        return {name for name in self.seen_regions if Path("/dev/shm", name).exists()}

    def triton(self) -> psutil.Process:
        (process,) = self.find("tritonserver")
        return process

    def stubs(self) -> list[psutil.Process]:
        return self.find("triton_python_backend_stub")

    def stop(self, within: float = 60) -> int:
        if self.process.poll() is None:
            self.regions()
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def orphans(self) -> list[psutil.Process]:
        """Processes once below the supervisor that still live."""
        return [child for child in self.seen.values() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def _waiting(process: psutil.Process) -> str:
    """A process, the processor seconds that it has used, and where in the kernel its threads are."""
    places = []
    for task in sorted(Path(f"/proc/{process.pid}/task").glob("*")):
        with contextlib.suppress(OSError):
            places.append(f"{(task / 'comm').read_text().strip()}:{(task / 'wchan').read_text()}")
    with contextlib.suppress(psutil.NoSuchProcess):
        command, used = " ".join(process.cmdline())[:200], process.cpu_times()
        return f"{process.pid} {process.status()} {used.user + used.system:.1f} s {command}\n    {' '.join(places)}"
    return f"{process.pid} has ended"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def serve(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Running]:
    """`argosy serve` on a free port, run folder and log in `folder`; stopped, by force if need be, at the end."""
    running = start(folder, arguments, environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.family()
            running.process.send_signal(signal.SIGTERM)
            try:
                running.process.wait(60)
            except subprocess.TimeoutExpired:
                running.process.kill()
        for orphan in running.orphans():
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()


def start(folder: Path, arguments: Sequence[str] = (), environment: dict[str, str] | None = None) -> Running:
    port, grpc_port = free_port(), free_port()
    log = folder / "serve.log"
    command = [
        sys.executable,
        "-m",
        "argosy",
        "serve",
        "--port",
        str(port),
        "--grpc-port",
        str(grpc_port),
        "--run-directory",
        str(folder / "run"),
        *arguments,
    ]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    return Running(process, port, grpc_port, log, folder / "run")
