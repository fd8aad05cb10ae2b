"""Gateway workers: separate processes that share one listening socket.

Each gets its configuration as JSON on standard input (so that no secret stands in an argument list), inherits
the listening socket, and dies with this process. A worker that ends unasked is started again with backoff.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_GOOD_AFTER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How workers are run.

    Attributes:
        command: the program and its arguments.
        count: how many, at least 1.
        configuration: plain data for each worker's standard input; `listener` is added.
        grace: seconds between TERM and KILL.
        environment: variables added to this process's own.
    """

    command: Sequence[str]
    count: int
    configuration: Mapping[str, Any]
    grace: float
    environment: Mapping[str, str] = field(default_factory=dict)


class GatewayWorkers:
    """Keeps `options.count` workers alive until `stop`.

    Args:
        on_death: told the process id of a worker that ended unasked.
    """

    def __init__(
        self, options: WorkerOptions, listener: socket.socket, on_death: Callable[[int], None] = lambda _pid: None
    ) -> None:
        self._options = options
        self._on_death = on_death
        self._listener = listener
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return [process.pid for process in self._processes.values() if process.returncode is None]

    async def start(self) -> None:
        """Start every worker; returns once each process exists (readiness is the health route's business)."""
        for slot in range(self._options.count):
            await self._spawn(slot)
            self._keepers.append(asyncio.create_task(self._keep(slot), name=f"gateway-worker-{slot}"))

    async def stop(self) -> None:
        """TERM every worker, wait for their drain, KILL what is left; idempotent."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._options.grace):
                await asyncio.gather(*(process.wait() for process in self._processes.values()))
        except TimeoutError:
            log.warning("Gateway workers did not finish within %.0f s; killing them.", self._options.grace)
            self._signal(signal.SIGKILL)
            await asyncio.gather(*(process.wait() for process in self._processes.values()))
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()

    def hurry(self) -> None:
        """Pass on a second TERM: workers end their streams at once."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

    async def _keep(self, slot: int) -> None:
        loop = asyncio.get_running_loop()
        backoff = _FIRST_BACKOFF
        while True:
            started = loop.time()
            process = self._processes[slot]
            code = await process.wait()
            self._on_death(process.pid)
            if loop.time() - started > _GOOD_AFTER_SECONDS:
                backoff = _FIRST_BACKOFF
            log.error("Gateway worker %d ended with code %s; starting it again in %.1f s.", slot, code, backoff)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)
            await self._spawn(slot)

    async def _spawn(self, slot: int) -> None:
        descriptor = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *self._options.command,
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(descriptor,),
            env={**os.environ, **self._options.environment},
            # Ctrl-C in a terminal reaches the whole foreground group; the drain is ours to order.
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self._processes[slot] = process
        configuration = {**self._options.configuration, "listener": descriptor, "slot": slot}
        if process.stdin is None:
            raise RuntimeError("A worker was started without standard input.")
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(configuration).encode())
            await process.stdin.drain()
            process.stdin.close()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def worker_command(module: str) -> tuple[str, ...]:
    """The command that runs `module` in this interpreter."""
    return (sys.executable, "-m", module)
