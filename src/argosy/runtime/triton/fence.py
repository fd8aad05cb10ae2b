"""The command line that keeps Triton to a private Unix socket. Source: `tritonserver --help`, 2.51."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from argosy.runtime.triton.locate import TritonInstallation

HEADER = "argosy-secret"
RESTRICTED = ("shared-memory", "model-repository", "logging", "trace")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the server process is set up.

    Attributes:
        gpu: leave GPU metrics and pinned memory on.
        complete_configs: let Triton ask each backend for missing parts of `config.pbtxt`; costs a second per model.
        exit_timeout: seconds the server waits for requests in flight when told to go.
        stub_timeout: seconds a model process may take to come up, before its engine loads.
        shared_memory: bytes each model process starts with.
        shared_memory_growth: bytes it grows by.
        arguments: further arguments, last.
    """

    gpu: bool = False
    complete_configs: bool = False
    exit_timeout: int = 5
    stub_timeout: int = 30
    shared_memory: int = 4 << 20
    shared_memory_growth: int = 4 << 20
    arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Fence:
    """The places and the secret of one generation of the server.

    Attributes:
        socket: where gRPC listens.
        metrics_port: on 127.0.0.1.
        secret: what the control plane sends; its holder may load models.
    """

    socket: Path
    metrics_port: int
    secret: str = field(repr=False)

    @classmethod
    def fresh(cls, directory: Path, generation: int) -> Fence:
        """Places for a new generation; Triton names the socket `<name>:<port>`, here the port is the generation."""
        return cls(directory / f"grpc:{generation}", free_port(), secrets.token_hex(32))

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"unix:{self.socket}"


def command(
    installation: TritonInstallation, repository: Path, backends: Path, fence: Fence, options: ServerOptions
) -> list[str]:
    """The whole command line of one generation."""
    name, port = fence.socket.name.rsplit(":", 1)
    shared = {
        "shm-default-byte-size": options.shared_memory,
        "shm-growth-byte-size": options.shared_memory_growth,
        "stub-timeout-seconds": options.stub_timeout,
    }
    return [
        str(installation.binary),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        *([f"--cache-directory={installation.caches}"] if installation.caches else []),
        "--model-control-mode=explicit",
        "--exit-on-error=false",
        "--strict-readiness=false",
        f"--exit-timeout-secs={options.exit_timeout}",
        *([] if options.complete_configs else ["--disable-auto-complete-config"]),
        "--allow-http=false",
        "--allow-sagemaker=false",
        "--allow-vertex-ai=false",
        f"--grpc-address=unix:{fence.socket.parent / name}",
        f"--grpc-port={port}",
        f"--grpc-restricted-protocol={','.join(RESTRICTED)}:{HEADER}={fence.secret}",
        "--allow-metrics=true",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={fence.metrics_port}",
        *(f"--backend-config=python,{key}={value}" for key, value in shared.items()),
        *([] if options.gpu else ["--allow-gpu-metrics=false", "--pinned-memory-pool-byte-size=0"]),
        *options.arguments,
    ]


def free_port() -> int:
    """A TCP port on loopback that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
