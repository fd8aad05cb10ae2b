"""What the gateway adds in front of Triton, with an engine that does nothing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import uvloop

from argosy.core.deadline import Deadline
from argosy.engines.contract import GenerationRequest, Sampling
from argosy.runtime.contract import InferRequest
from argosy.runtime.requests import encode_generation
from argosy.runtime.triton.client import TritonClient
from bench.client import Connection, post
from bench.context import Context
from bench.costs import Costs
from bench.embeddings import in_turn
from bench.figures import middle, neighbour_differences, spread
from bench.measurement import Measurement, at_least, at_most
from bench.profiling import recorded
from bench.served import HOST, Served, serve
from bench.stores import write_echo
from bench.texts import write_lines
from bench.wrk import Load, drive

MODEL = "echo"
PATH = "/v1/completions"
PROMPT = "hello"
CLIENTS = 16
_CALL_SECONDS = 10.0
_MOST_CALLS = 20_000


def measure(context: Context) -> list[Measurement]:
    """Added latency at one client, and requests a second at 16."""
    store = context.directory / "echo-store"
    write_echo(store, MODEL)
    with serve([MODEL], "--model-store", str(store), *context.flags) as server:
        return [_added(context, server), _rate(context, server)]


def request_body() -> bytes:
    """A completion of one word, not streamed."""
    return orjson.dumps({"model": MODEL, "prompt": PROMPT, "max_tokens": 16, "temperature": 0})


def _added(context: Context, server: Served) -> Measurement:
    address = server.triton_address()
    seconds = context.seconds / 2

    def direct() -> float:
        return middle(uvloop.run(_direct(address, seconds))) * 1000

    def through_gateway() -> float:
        return middle(uvloop.run(_through_gateway(server, seconds))) * 1000

    direct(), through_gateway()
    with recorded(context, server, "gateway-1"):
        baselines, subjects = in_turn(context, "gateway, 1 client", direct, through_gateway)
    added = neighbour_differences(baselines, subjects)
    return Measurement(
        "gateway, added p50 at 1 client",
        middle(added),
        "ms",
        at_most(1.0),
        f"Median time of POST {PATH} with a one-word prompt to an echo model over one kept-alive connection, minus the "
        "median time of the same generation asked of Triton directly: the gateway's own gRPC client on the same Unix "
        "socket. API key, limits, metrics and request log on.",
        {"through gateway ms": middle(subjects), "direct ms": middle(baselines), "added ms": spread(added)},
    )


def _rate(context: Context, server: Served) -> Measurement:
    bodies = write_lines(context.directory / "echo.jsonl", [request_body()])
    loads: list[Load] = []
    costs = Costs()
    ceilings: list[float] = []
    address = server.triton_address()
    with recorded(context, server, "gateway-16"):
        for number in range(context.rounds):
            loads.append(costs.of_server(server, lambda: _load(context, server, bodies)))
            ceilings.append(uvloop.run(_direct_rate(address, context.seconds / 2)))
            context.note(
                f"gateway, {CLIENTS} clients: round {number + 1} of {context.rounds}, {loads[-1].rate:.0f} req/s"
            )
    rates = [load.rate for load in loads]
    return Measurement(
        f"gateway, requests/s at {CLIENTS} clients",
        middle(rates),
        "req/s",
        at_least(2500.0),
        f"wrk with {CLIENTS} connections posts a one-word completion to an echo model; API key, limits, metrics and "
        "request log on. An absolute figure: the bar is for the reference machine of two cores. Processor time a "
        "request and Triton's own rate (the gateway's gRPC client, as many at once) say where it goes.",
        {
            "p50 ms": middle([load.p50 for load in loads]),
            "p99 ms": middle([load.p99 for load in loads]),
            "req/s": spread(rates),
            "triton alone/s": middle(ceilings),
            **costs.details(),
        },
    )


def _load(context: Context, server: Served, bodies: Path) -> Load:
    return drive(server.url(PATH), bodies, clients=CLIENTS, seconds=context.seconds, headers=server.wrk_headers)


async def _direct_rate(address: str, seconds: float) -> float:
    """Generations a second with as many at once as wrk has connections."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_direct(address, seconds)) for _ in range(CLIENTS)]
    return sum(len(task.result()) for task in tasks) / (time.perf_counter() - began)


async def _direct(address: str, seconds: float) -> list[float]:
    client = TritonClient(address)
    inputs = encode_generation(GenerationRequest(PROMPT, Sampling(max_tokens=16, temperature=0.0)))
    durations: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until and len(durations) < _MOST_CALLS:
        request = InferRequest(MODEL, inputs, deadline=Deadline.after(_CALL_SECONDS))
        began = time.perf_counter()
        async for _ in client.stream(request):
            pass
        durations.append(time.perf_counter() - began)
    await client.close()
    return durations


async def _through_gateway(server: Served, seconds: float) -> list[float]:
    connection = await Connection.open(HOST, server.port)
    request = post(server.host, PATH, request_body(), server.headers)
    durations: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until and len(durations) < _MOST_CALLS:
        reply = await connection.send(request, _CALL_SECONDS)
        if reply.status != 200:
            raise ValueError(f"{PATH} answered {reply.status}: {reply.body[:500]!r}")
        durations.append(reply.seconds)
    connection.close()
    return durations
