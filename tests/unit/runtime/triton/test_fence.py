from __future__ import annotations

import socket
from pathlib import Path

from argosy.runtime.triton.fence import Fence, ServerOptions, command, free_port
from argosy.runtime.triton.locate import TritonInstallation

INSTALLATION = TritonInstallation(
    binary=Path("/t/tritonserver"),
    backend=Path("/t/libtriton_python.so"),
    backend_files=(),
    stub=Path("/t/stub"),
    caches=Path("/t/caches"),
    libraries=(),
    python=Path("/v/bin/python"),
    source="wheel",
)
FENCE = Fence(Path("/run/a/grpc:3"), 9123, "s3cret")

GOLDEN = """\
/t/tritonserver
--model-repository=/run/a/repository
--backend-directory=/run/a/backends
--cache-directory=/t/caches
--model-control-mode=explicit
--exit-on-error=false
--strict-readiness=false
--exit-timeout-secs=5
--disable-auto-complete-config
--allow-http=false
--allow-sagemaker=false
--allow-vertex-ai=false
--grpc-address=unix:/run/a/grpc
--grpc-port=3
--grpc-restricted-protocol=shared-memory,model-repository,logging,trace:argosy-secret=s3cret
--allow-metrics=true
--metrics-address=127.0.0.1
--metrics-port=9123
--backend-config=python,shm-default-byte-size=4194304
--backend-config=python,shm-growth-byte-size=4194304
--backend-config=python,stub-timeout-seconds=30
--allow-gpu-metrics=false
--pinned-memory-pool-byte-size=0"""


def test_command_line() -> None:
    """The fence is exactly this."""
    arguments = command(INSTALLATION, Path("/run/a/repository"), Path("/run/a/backends"), FENCE, ServerOptions())
    assert "\n".join(arguments) == GOLDEN


def test_options_change_the_command_line() -> None:
    """GPU keeps Triton's own memory settings, completion is Triton's, further arguments come last."""
    options = ServerOptions(gpu=True, complete_configs=True, arguments=("--log-verbose=1",))
    arguments = command(INSTALLATION, Path("/r"), Path("/b"), FENCE, options)
    assert "--allow-gpu-metrics=false" not in arguments
    assert "--disable-auto-complete-config" not in arguments
    assert arguments[-1] == "--log-verbose=1"


def test_fences_differ() -> None:
    """Each generation has its own socket, secret and free port, and the secret is not shown."""
    first, second = Fence.fresh(Path("/run/a"), 1), Fence.fresh(Path("/run/a"), 2)
    assert first.address == "unix:/run/a/grpc:1"
    assert first.socket != second.socket
    assert first.secret != second.secret
    assert len(first.secret) == 64
    assert first.secret not in repr(first)


def test_free_port_is_free() -> None:
    """The port can be bound on loopback."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
