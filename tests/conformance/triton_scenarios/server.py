"""A Triton as somebody else would run it: HTTP and gRPC on loopback, models loaded by order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from argosy.runtime.triton import launch
from argosy.runtime.triton.backend_directory import prepare_backends
from argosy.runtime.triton.locate import locate
from tests.conformance.triton_scenarios.endpoint import Endpoint
from tests.e2e.running import free_port

MODEL_STORE = Path(__file__).parents[2] / "data" / "triton_models"
READY_WITHIN = 33.0
_ATTEMPTS = 3


@contextlib.contextmanager
def triton_server(folder: Path) -> Iterator[Endpoint]:
    """A `tritonserver` with the models of `MODEL_STORE`, gone at the end."""
    installation = locate()
    repository = folder / "models"
    # A copy, so that no byte code is written beside the tests.
    shutil.copytree(MODEL_STORE, repository)
    endpoint = Endpoint(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    http, grpc = endpoint.http.split(":"), endpoint.grpc.split(":")
    command = [
        # Ends with the tests, however they end.
        *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
        str(installation.binary),
        f"--model-repository={repository}",
        f"--backend-directory={prepare_backends(folder / 'backends', installation)}",
        "--model-control-mode=explicit",
        "--load-model=*",
        f"--http-address={http[0]}",
        f"--http-port={http[1]}",
        f"--grpc-address={grpc[0]}",
        f"--grpc-port={grpc[1]}",
        "--allow-metrics=false",
        "--allow-gpu-metrics=false",
        "--pinned-memory-pool-byte-size=0",
        "--exit-timeout-secs=5",
        f"--backend-config=python,shm-region-prefix-name=triton_scenarios_{os.getpid()}_",
        "--backend-config=python,shm-default-byte-size=1048576",
    ]
    process = _started(command, installation.environment(dict(os.environ)), endpoint, folder / "triton.log")
    try:
        yield endpoint
    finally:
        _end(process)


def _started(command: list[str], environment: dict[str, str], endpoint: Endpoint, log: Path) -> subprocess.Popen[bytes]:
    """A Triton that is ready.

    Short of processor time, Triton 2.51 now and then ends, or waits for ever, while models of its python backend load:
    it is started again, which `argosy serve` does by itself.
    """
    for _ in range(_ATTEMPTS):
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        if _becomes_ready(process, endpoint):
            return process
        _end(process)
    raise AssertionError(f"Triton is not ready after {_ATTEMPTS} starts:\n{log.read_text()[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    # A model's process that hangs outlives its Triton.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _becomes_ready(process: subprocess.Popen[bytes], endpoint: Endpoint) -> bool:
    deadline = time.monotonic() + READY_WITHIN
    while not _ready(endpoint):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _ready(endpoint: Endpoint) -> bool:
    try:
        return httpx.get(f"http://{endpoint.http}/v2/health/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
