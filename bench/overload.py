"""Twice the load the server can carry, sent whether or not it keeps up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop

from bench.client import Connection, post
from bench.context import Context
from bench.embeddings import MODEL, PATH, SENTENCES
from bench.figures import middle, percentile
from bench.measurement import Measurement, at_least, at_most
from bench.served import HOST, Served, serve
from bench.texts import embedding_bodies, sentences

CLIENTS = 64
FACTOR = 2.0
_REPLY_SECONDS = 30.0
_LEAST_SECONDS = 8.0
_TICK = 0.005
_MOST_OUTSTANDING = 4000


@dataclass(slots=True)
class Arrivals:
    """The outcome of an open-loop load.

    Attributes:
        good: requests answered 200.
        rejected: seconds that each refusal (503 or 429) took.
        waited: seconds that each good answer took.
        hung: requests without any answer in time, or whose connection broke.
        late: seconds by which the client itself sent requests late, at worst.
    """

    offered: int = 0
    good: int = 0
    seconds: float = 0.0
    rejected: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    other: Counter[int] = field(default_factory=Counter)
    hung: int = 0
    late: float = 0.0

    @property
    def goodput(self) -> float:
        """Good answers a second while load was offered."""
        return self.good / self.seconds


def measure(context: Context) -> list[Measurement]:
    """Goodput and refusals at twice the peak, found by the same client a moment before."""
    seconds = max(context.seconds, _LEAST_SECONDS)
    with serve([MODEL], *context.flags) as server:
        requests = _requests(server)
        uvloop.run(_closed_loop(server, requests, 3.0))
        peaks, outcomes = [], []
        for number in range(context.rounds):
            peaks.append(uvloop.run(_closed_loop(server, requests, seconds)))
            outcomes.append(uvloop.run(_open_loop(server, requests, FACTOR * peaks[-1], seconds)))
            context.note(
                f"overload: round {number + 1} of {context.rounds}, {outcomes[-1].goodput:.0f}/s of {peaks[-1]:.0f}/s"
            )
    return _rows(peaks, outcomes)


def _rows(peaks: list[float], outcomes: list[Arrivals]) -> list[Measurement]:
    shares = [outcome.goodput / peak for outcome, peak in zip(outcomes, peaks, strict=True)]
    refusals = [1000 * percentile(outcome.rejected, 0.99) for outcome in outcomes if outcome.rejected]
    load = f"One sentence a request, open loop at {FACTOR:g} times the rate that {CLIENTS} closed-loop clients reached"
    return [
        Measurement(
            "overload, goodput at 2x",
            middle(shares),
            "x",
            at_least(0.90),
            f"{load}; answers with 200 a second over that rate. Load and peak come from the same Python client.",
            {
                "peak/s": middle(peaks),
                "good/s": middle([outcome.goodput for outcome in outcomes]),
                "offered/s": middle([outcome.offered / outcome.seconds for outcome in outcomes]),
                "accepted p50 ms": middle([1000 * middle(outcome.waited) for outcome in outcomes]),
                "client late ms": 1000 * max(outcome.late for outcome in outcomes),
            },
        ),
        Measurement(
            "overload, refusal p99",
            middle(refusals),
            "ms",
            at_most(50.0),
            f"{load}; time to the 503, measured by the client.",
            {"refused": sum(len(outcome.rejected) for outcome in outcomes)},
        ),
        Measurement(
            "overload, requests without an answer",
            float(sum(outcome.hung + sum(outcome.other.values()) for outcome in outcomes)),
            "requests",
            at_most(0.0),
            f"{load}; requests with no answer after {_REPLY_SECONDS:g} s, a broken connection, or a status other than "
            "200, 429 and 503.",
            {"offered": sum(outcome.offered for outcome in outcomes)},
        ),
    ]


def _requests(server: Served) -> list[bytes]:
    bodies = embedding_bodies(sentences(SENTENCES), 1, MODEL, "base64")
    return [post(server.host, PATH, body, server.headers) for body in bodies]


async def _closed_loop(server: Served, requests: list[bytes], seconds: float) -> float:
    """Requests a second of `CLIENTS` clients, each waiting for its answer."""
    until = time.perf_counter() + seconds
    answered = 0

    async def client(number: int) -> None:
        nonlocal answered
        connection = await Connection.open(HOST, server.port)
        while time.perf_counter() < until:
            reply = await connection.send(requests[number % len(requests)], _REPLY_SECONDS)
            number += CLIENTS
            if reply.status != 200:
                raise ValueError(f"{PATH} answered {reply.status}: {reply.body[:500]!r}")
            answered += 1
        connection.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(number))
    return answered / (time.perf_counter() - began)


async def _open_loop(server: Served, requests: list[bytes], rate: float, seconds: float) -> Arrivals:
    """Send at `rate` for `seconds`, then wait for what is outstanding."""
    outcome = Arrivals()
    idle: list[Connection] = []
    everyone: list[Connection] = []
    tasks: set[asyncio.Task[None]] = set()
    began = time.perf_counter()

    async def one(request: bytes, due: float) -> None:
        connection = idle.pop() if idle else None
        try:
            if connection is None or not connection.usable:
                connection = await Connection.open(HOST, server.port)
                everyone.append(connection)
            outcome.late = max(outcome.late, time.perf_counter() - due)
            reply = await connection.send(request, _REPLY_SECONDS)
        except (TimeoutError, OSError):
            outcome.hung += 1
            return
        _count(outcome, reply.status, reply.ended - due, within=reply.ended - began <= seconds)
        if connection.usable:
            idle.append(connection)

    while (now := time.perf_counter() - began) < seconds:
        for number in range(outcome.offered, int(now * rate)):
            if len(tasks) >= _MOST_OUTSTANDING:
                raise ValueError(f"{len(tasks)} requests have no answer yet; the server neither serves nor refuses.")
            task = asyncio.create_task(one(requests[number % len(requests)], began + number / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            outcome.offered += 1
        await asyncio.sleep(_TICK)
    outcome.seconds = time.perf_counter() - began
    if tasks:
        await asyncio.wait(tasks, timeout=_REPLY_SECONDS + 10)
    outcome.hung += len(tasks)
    for connection in everyone:
        connection.close()
    return outcome


def _count(outcome: Arrivals, status: int, waited: float, *, within: bool) -> None:
    if status == 200:
        # Answers after the end of the load come from the queue; counting them would flatter the goodput.
        outcome.good += within
        outcome.waited.append(waited)
    elif status in {429, 503}:
        outcome.rejected.append(waited)
    else:
        outcome.other[status] += 1
