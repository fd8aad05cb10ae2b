"""Flame graphs of the server's processes while they are under load, recorded by py-spy when it is installed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.context import WORK, Context
from bench.served import Served

PROFILES = WORK / "profiles"
_END_SECONDS = 60


@contextlib.contextmanager
def recorded(context: Context, server: Served, name: str) -> Iterator[None]:
    """Record the gateway workers and model processes until the block ends; nothing without `--profile`.

    Writes `<name>-<part>-<pid>.svg`. Sampling slows the server by some percent: do not keep such a result.
    """
    if not context.profile:
        yield
        return
    recorders = _start(server, name)
    try:
        yield
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
        for recorder in recorders:
            recorder.wait(_END_SECONDS)
        context.note(f"profiles of {name} are in {PROFILES}")


def program() -> str | None:
    """The py-spy of this environment, or one on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def _start(server: Served, name: str) -> list[subprocess.Popen[bytes]]:
    spy = program()
    if spy is None:
        raise FileNotFoundError("--profile needs py-spy. Run: pip install py-spy")
    PROFILES.mkdir(parents=True, exist_ok=True)
    parts = [("gateway", process.pid) for process in server.gateways()]
    parts += [("stub", process.pid) for process in server.stubs()]
    command = [spy, "record", "--rate", "100", "--threads"]
    return [
        subprocess.Popen(
            [*command, "--pid", str(pid), "--output", str(PROFILES / f"{name}-{part}-{pid}.svg")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for part, pid in parts
    ]
