"""Closed-loop HTTP load from wrk, which costs the machine far less than any Python client."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_SCRIPT = Path(__file__).with_name("wrk.lua")
_MARK = "RESULT "
_REPLY_TIMEOUT = 30
_GRACE_SECONDS = 60


class LoadFailed(Exception):
    """The load could not be driven, or the server answered with errors; a rate would mean nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    Attributes:
        failed: requests that got no answer or one with a status above 399.
        p50: milliseconds; so are p90, p99 and highest.
        processor: seconds of processor time that wrk itself used.
    """

    requests: int
    seconds: float
    failed: int
    p50: float
    p90: float
    p99: float
    highest: float
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Successful requests a second."""
        return (self.requests - self.failed) / self.seconds


def drive(url: str, bodies: Path, *, clients: int, seconds: float, headers: Sequence[str] = ()) -> Load:
    """Post the lines of `bodies` to `url` from `clients` connections, each waiting for its answer.

    Raises:
        LoadFailed: wrk is missing, ended badly, or more than one request in a thousand failed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise LoadFailed("wrk is not installed. Run: sudo apt-get install wrk")
    command = [program, "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", f"--timeout={_REPLY_TIMEOUT}s"]
    command += ["-s", str(_SCRIPT), url, "--", str(bodies), *headers]
    before = _children_processor()
    outcome = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + _REPLY_TIMEOUT + _GRACE_SECONDS, check=False
    )
    if outcome.returncode != 0:
        raise LoadFailed(f"wrk ended with {outcome.returncode}: {(outcome.stderr or outcome.stdout).strip()[-500:]}")
    load = replace(parse(outcome.stdout), processor=_children_processor() - before)
    if load.failed * 1000 > load.requests:
        raise LoadFailed(f"{load.failed} of {load.requests} requests to {url} failed.")
    return load


def parse(output: str) -> Load:
    """The figures in what wrk printed.

    Raises:
        LoadFailed: the line that `wrk.lua` writes is missing, or no request was answered.
    """
    lines = [line for line in output.splitlines() if line.startswith(_MARK)]
    if not lines:
        raise LoadFailed(f"wrk printed no result: {output.strip()[-500:]!r}")
    figures = json.loads(lines[-1].removeprefix(_MARK))
    if figures["requests"] == 0:
        raise LoadFailed("No request was answered.")
    return Load(
        requests=figures["requests"],
        seconds=figures["duration_us"] / 1e6,
        failed=sum(figures[kind] for kind in ("connect", "read", "write", "timeout", "status")),
        p50=figures["p50_us"] / 1000,
        p90=figures["p90_us"] / 1000,
        p99=figures["p99_us"] / 1000,
        highest=figures["max_us"] / 1000,
    )


def _children_processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
