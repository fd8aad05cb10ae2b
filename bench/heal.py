"""How soon the server serves again after a process was killed, and what that leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import uvloop

from bench.client import Connection, post
from bench.context import Context
from bench.embeddings import MODEL, PATH
from bench.figures import middle
from bench.measurement import Measurement, at_most
from bench.served import HOST, Served, is_ready, serve
from bench.texts import embedding_bodies, sentences

CLIENTS = 4
_BEFORE_SECONDS = 1.0
_STEADY_SECONDS = 1.5
_LONGEST_WAIT = 60.0
_REPLY_SECONDS = 30.0
_PAUSE = 0.02
_SHARED = re.compile(r"/dev/shm/\S+")


@dataclass(slots=True)
class Recovery:
    """One killed process.

    Attributes:
        healed: seconds from the kill to the first answer after the last failure.
        longest: seconds of the slowest request, good or failed.
        left: processes and shared-memory regions of the killed generation that still exist.
    """

    healed: float = 0.0
    longest: float = 0.0
    failures: int = 0
    left: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Traffic:
    """What the clients saw: (sent, ended, whether it was a 200)."""

    outcomes: list[tuple[float, float, bool]] = field(default_factory=list)
    stop: bool = False


def measure(context: Context) -> list[Measurement]:
    """Kill the model process and the Triton process under light traffic."""
    rows: list[Measurement] = []
    left: list[str] = []
    for part, find in (("stub", lambda server: server.stubs()[0]), ("Triton", lambda server: server.triton())):
        # A server each: the sixth kill within ten minutes is a crash loop, on which the supervisor gives up.
        with serve([MODEL], *context.flags) as server:
            recoveries = []
            for number in range(context.rounds):
                recoveries.append(uvloop.run(_kill(server, partial(find, server))))
                left += recoveries[-1].left
                context.note(f"heal, {part}: round {number + 1} of {context.rounds}, {recoveries[-1].healed:.1f} s")
        rows += _rows(part, recoveries)
    rows.append(
        Measurement(
            "heal, left behind",
            float(len(left)),
            "things",
            at_most(0.0),
            "Processes and shared-memory regions of killed generations that still exist after the server healed.",
            {"what": "; ".join(left) or "nothing"},
        )
    )
    return rows


def _rows(part: str, recoveries: list[Recovery]) -> list[Measurement]:
    load = f"SIGKILL of the {part} process while {CLIENTS} clients send one sentence at a time"
    return [
        Measurement(
            f"heal, {part} killed",
            max(item.healed for item in recoveries),
            "s",
            at_most(10.0),
            f"{load}; from the kill to the first good answer after the last failure. The worst of all rounds.",
            {
                "median s": middle([item.healed for item in recoveries]),
                "failed requests": sum(item.failures for item in recoveries),
            },
        ),
        Measurement(
            f"heal, longest answer when {part} is killed",
            max(item.longest for item in recoveries),
            "s",
            at_most(2.0),
            f"{load}; the slowest request, answered or refused: nothing may hang.",
        ),
    ]


async def _kill(server: Served, find: Callable[[], psutil.Process]) -> Recovery:
    generation = [server.triton(), *server.stubs()]
    regions = set().union(*(_regions(process) for process in generation))
    traffic = _Traffic()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_client(server, traffic, number))
        await asyncio.sleep(_BEFORE_SECONDS)
        victim, killed = find(), time.perf_counter()
        victim.kill()
        await _steady(server, traffic, killed)
        traffic.stop = True
    return _recovery(traffic, killed, generation, regions)


async def _client(server: Served, traffic: _Traffic, number: int) -> None:
    bodies = embedding_bodies(sentences(64, seed=number), 1, MODEL, "base64")
    requests = [post(server.host, PATH, body, server.headers) for body in bodies]
    connection: Connection | None = None
    until = time.perf_counter() + _LONGEST_WAIT + _REPLY_SECONDS
    while not traffic.stop and time.perf_counter() < until:
        sent, good = time.perf_counter(), False
        with contextlib.suppress(TimeoutError, OSError):
            if connection is None or not connection.usable:
                connection = await Connection.open(HOST, server.port)
            reply = await connection.send(requests[len(traffic.outcomes) % len(requests)], _REPLY_SECONDS)
            good = reply.status == 200
        traffic.outcomes.append((sent, time.perf_counter(), good))
        if not good:
            await asyncio.sleep(_PAUSE)
    if connection is not None:
        connection.close()


async def _steady(server: Served, traffic: _Traffic, killed: float) -> None:
    """Wait until a failure was seen, the server says it is ready, and only good answers came for a while."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_LONGEST_WAIT):
        while True:
            await asyncio.sleep(_PAUSE)
            failures = [ended for _, ended, good in traffic.outcomes if ended > killed and not good]
            quiet = bool(failures) and time.perf_counter() - failures[-1] > _STEADY_SECONDS
            if quiet and await loop.run_in_executor(None, is_ready, server.port):
                return


def _recovery(traffic: _Traffic, killed: float, generation: list[psutil.Process], regions: set[str]) -> Recovery:
    after = [outcome for outcome in traffic.outcomes if outcome[1] > killed]
    last_failure = max(ended for _, ended, good in after if not good)
    first_good = min(ended for _, ended, good in after if good and ended > last_failure)
    left = [f"process {process.pid}" for process in generation if process.is_running()]
    left += [region for region in sorted(regions) if Path(region).exists()]
    return Recovery(
        healed=first_good - killed,
        longest=max(ended - sent for sent, ended, _ in after),
        failures=sum(not good for _, _, good in after),
        left=left,
    )


def _regions(process: psutil.Process) -> set[str]:
    """Shared-memory files that a process has mapped, as they were named when it mapped them."""
    try:
        text = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    except OSError:
        return set()
    return set(_SHARED.findall(text))
