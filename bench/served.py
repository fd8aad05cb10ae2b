"""`argosy serve` as a child process: start it, find its parts, stop it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

HOST = "127.0.0.1"
KEY = "bench-0123456789abcdef0123456789abcdef"
"""The API key that every server under test demands: authentication is part of what is measured."""

_START_SECONDS = 240.0
_STOP_SECONDS = 60.0
_POLL = 0.02


class ServeFailed(Exception):
    """`argosy serve` did not come up or did not go away."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server.

    Attributes:
        run_directory: its sockets and logs.
        ready_after: seconds from the start of the program to the first 200 of `/v1/health/ready`.
        log: its output.
    """

    process: psutil.Process
    port: int
    run_directory: Path
    ready_after: float
    log: Path

    @property
    def host(self) -> str:
        """Value of the Host header."""
        return f"{HOST}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What every request needs."""
        return {"Authorization": f"Bearer {KEY}"}

    @property
    def wrk_headers(self) -> tuple[str, ...]:
        """The same for wrk."""
        return tuple(f"{name}: {value}" for name, value in self.headers.items())

    def url(self, path: str) -> str:
        """The address of a route."""
        return f"http://{self.host}{path}"

    def triton_address(self) -> str:
        """Triton's gRPC socket in gRPC's words.

        Raises:
            ServeFailed: no socket of that kind is in the run directory.
        """
        listening = {item.laddr for item in self.triton().net_connections("unix") if item.laddr}
        for path in sorted(listening):
            if str(self.run_directory) in path:
                return f"unix:{path}"
        raise ServeFailed(f"Triton listens on no socket in {self.run_directory}.")

    def triton(self) -> psutil.Process:
        """The Triton process."""
        return self._only("triton", [child for child in self._children() if child.name() == "tritonserver"])

    def stubs(self) -> list[psutil.Process]:
        """Triton's model processes."""
        return [child for child in self._children() if "python_backend_stub" in _command(child)]

    def gateways(self) -> list[psutil.Process]:
        """The gateway workers."""
        return [
            child
            for child in self.process.children()
            if child.name() != "tritonserver" and "python_backend_stub" not in _command(child)
        ]

    def processor_seconds(self) -> dict[str, float]:
        """Processor time used so far by each part; unlike a rate it does not depend on who else uses the machine."""
        parts = {
            "gateway": self.gateways(),
            "triton": [self.triton()],
            "stub": [process for stub in self.stubs() for process in (stub, *stub.children(recursive=True))],
        }
        return {part: sum(map(processor_seconds, processes)) for part, processes in parts.items()}

    def members(self) -> list[psutil.Process]:
        """Every process of this server, itself included."""
        return [self.process, *self._children()]

    def _children(self) -> list[psutil.Process]:
        return self.process.children(recursive=True)

    @staticmethod
    def _only(what: str, found: list[psutil.Process]) -> psutil.Process:
        if len(found) != 1:
            raise ServeFailed(f"Expected one {what} process, found {len(found)}.")
        return found[0]


@contextlib.contextmanager
def serve(models: Sequence[str], *flags: str) -> Iterator[Served]:
    """Run `argosy serve MODELS FLAGS` on a free port, with an API key, until the block ends.

    Raises:
        ServeFailed: it was not ready in time, ended early, or outlived its SIGTERM; has the end of its output.
    """
    # A short path: a Unix socket's name holds 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="argosy-bench-", dir="/tmp"))
    try:
        server = _start(directory, models, flags)
        try:
            yield server
        finally:
            stop(server.process, server.log)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def stop(process: psutil.Process, log: Path) -> None:
    """TERM, wait for the drain, and KILL what is left.

    Raises:
        ServeFailed: it had to be killed.
    """
    everything = [process, *process.children(recursive=True)] if process.is_running() else []
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(everything, timeout=_STOP_SECONDS)
    for survivor in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()
    if left:
        raise ServeFailed(f"{len(left)} processes outlived SIGTERM by {_STOP_SECONDS:.0f} s.\n{tail(log)}")


def tail(log: Path, size: int = 3000) -> str:
    """The end of a log."""
    with contextlib.suppress(FileNotFoundError):
        return log.read_text(encoding="utf-8", errors="replace")[-size:]
    return ""


def is_ready(port: int) -> bool:
    """Whether `/v1/health/ready` says 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/v1/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _start(directory: Path, models: Sequence[str], flags: Sequence[str]) -> Served:
    keys = directory / "keys"
    keys.write_text(f"{KEY}\n", encoding="utf-8")
    keys.chmod(0o600)
    log, run, port = directory / "serve.log", directory / "run", free_port()
    command = [str(Path(sys.executable).with_name("argosy")), "serve", *models, "--host", HOST, "--port", str(port)]
    command += ["--grpc-port", "0", "--run-directory", str(run), "--api-keys-file", str(keys), *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ARGOSY_", "NIM_"))}
    began = time.perf_counter()
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory, env=environment
        )
    process = psutil.Process(child.pid)
    while not is_ready(port):
        waited = time.perf_counter() - began
        if child.poll() is not None:
            raise ServeFailed(f"{' '.join(command)} ended with {child.returncode}:\n{tail(log)}")
        if waited > _START_SECONDS:
            stop(process, log)
            raise ServeFailed(f"{' '.join(command)} was not ready after {_START_SECONDS:.0f} s:\n{tail(log)}")
        time.sleep(_POLL)
    return Served(process, port, run, time.perf_counter() - began, log)


def processor_seconds(process: psutil.Process) -> float:
    """Processor time that one process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return " ".join(process.cmdline()[:2])
    return ""
