"""Starts a warden for one command and waits for how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from argosy.core.errors import ConversionFailed

_SOURCES = Path(__file__).parents[3]
_WARDEN = f"import sys; sys.path.append({str(_SOURCES)!r}); from argosy.conversion.process.warden import main; main()"
_TIDY_SECONDS = 5.0
_GRACE = 30.0
"""Seconds beyond a step's own limit after which its warden is taken to be stuck."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may use.

    Attributes:
        memory: bytes of memory of its own (not backed by files) for the whole process tree.
        seconds: wall time.
        processes: processes at once.
    """

    memory: int = 8 << 30
    seconds: float = 3600.0
    processes: int = 64


@dataclass(frozen=True, slots=True)
class Command:
    """One child.

    Attributes:
        arguments: program and arguments.
        environment: all variables it gets.
        directory: where it starts.
        log: file that its output is appended to.
    """

    arguments: Sequence[str]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: wall time.
        memory: most bytes of memory of its own that the tree held.
        network: `none` when it ran without network devices; `variables` when libraries were told to stay offline.
    """

    seconds: float
    memory: int
    network: str


async def run_command(command: Command, limits: Limits) -> Usage:
    """Run a command to its end.

    When this is cancelled the command's whole process tree is ended first, within five seconds; the same happens when
    this process dies. Ending the tree never depends on the command's cooperation.

    Raises:
        ConversionFailed: it passed a limit, crashed, or ended with another code than 0; the message goes on after
            the command's name.
    """
    order = {
        "command": list(command.arguments),
        "environment": dict(command.environment),
        "directory": str(command.directory),
        "log": str(command.log),
        "memory": limits.memory,
        "seconds": limits.seconds,
        "processes": limits.processes,
    }
    warden = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        "-c",
        _WARDEN,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # A Ctrl-C on the terminal is for the owner, who ends the tree in order.
        start_new_session=True,
    )
    try:
        assert warden.stdin is not None  # noqa: S101 - asked for above
        assert warden.stdout is not None  # noqa: S101
        warden.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(limits.seconds + _GRACE):
            await warden.stdin.drain()
            answer = await warden.stdout.readline()
    except TimeoutError:
        raise ConversionFailed(f"could not be ended {_GRACE:g} s after its limit") from None
    finally:
        await _dismiss(warden)
    return _judged(answer, limits)


async def _dismiss(warden: asyncio.subprocess.Process) -> None:
    """End the warden and with it whatever it still owns. Runs to its end when cancelled again."""
    assert warden.stdin is not None  # noqa: S101 - see `run_command`
    warden.stdin.close()
    waiting = asyncio.ensure_future(_ended(warden))
    while not waiting.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)


async def _ended(warden: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(_TIDY_SECONDS):
            await warden.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(warden.pid, signal.SIGKILL)
        await warden.wait()


def _judged(answer: bytes, limits: Limits) -> Usage:
    if not answer:
        raise ConversionFailed("lost the process that watched over it: somebody killed that")
    ending = json.loads(answer)
    usage = Usage(round(ending["seconds"], 3), ending["peak"], ending["network"])
    match ending["cause"], ending["code"]:
        case "exit", 0:
            return usage
        case "exit", code:
            raise ConversionFailed(f"ended with exit code {code}")
        case "signal", number:
            raise ConversionFailed(f"crashed ({_signal_name(number)})")
        case "memory", _:
            raise ConversionFailed(
                f"used more than {limits.memory / (1 << 30):.3g} GiB of memory; give it more with --memory"
            )
        case "time", _:
            raise ConversionFailed(f"took longer than {limits.seconds:g} s; give it more with --timeout")
        case "processes", _:
            raise ConversionFailed(f"started more than {limits.processes} processes")
        case "start", _:
            raise ConversionFailed(f"could not be started: {ending['detail']}")
        case _:
            raise ConversionFailed("was cancelled")


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name}, perhaps because this machine ran out of memory" if number == signal.SIGKILL else name
