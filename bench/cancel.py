"""How soon an engine is free after its clients left."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping

import uvloop

from bench.chat import INPUT_TOKENS, NAME, PATH, RANDOM_LLAMA, TOKENS, make_random_llama, stream_body
from bench.client import Connection, Disconnected, FirstToken, post
from bench.context import Context
from bench.figures import middle
from bench.measurement import Measurement, at_most
from bench.served import HOST, Served, serve
from bench.texts import token_prompts

STREAMS = 8
_OUTPUT_TOKENS = 4000
_LONGEST_WAIT = 60.0
_POLL = 0.01
_ROUNDING = 1e-6
_GAUGE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[-+0-9.eE]+)$", re.MULTILINE)
_WANTED = ("_running", "_kv_cache_usage")


def measure(context: Context) -> list[Measurement]:
    """From closing the sockets of running streams to an engine that runs nothing and holds no cache for them."""
    make_random_llama(context)
    durations = []
    with serve([f"{NAME}={RANDOM_LLAMA}"], *context.flags) as server:
        for number in range(context.rounds):
            durations.append(uvloop.run(_one_round(server, number)))
            context.note(f"cancel: round {number + 1} of {context.rounds}, {durations[-1]:.3f} s")
    return [
        Measurement(
            f"cancel, {STREAMS} streams left by their clients",
            max(durations),
            "s",
            at_most(1.0),
            f"{STREAMS} running streams of the 361M model are cut by closing their sockets; time until Triton's "
            "metrics show no running generation and the KV cache use from before. The worst of all rounds.",
            {"median s": middle(durations)},
        )
    ]


def engine_gauges(text: str, model: str) -> dict[str, float]:
    """The engine's gauges of one model in a Prometheus page, by the ends of their names.

    Raises:
        ValueError: one is missing.
    """
    found: dict[str, float] = {}
    for match in _GAUGE.finditer(text):
        for ending in _WANTED:
            if match["name"].endswith(ending) and f'"{model}"' in (match["labels"] or ""):
                found[ending] = float(match["value"])
    if len(found) != len(_WANTED):
        raise ValueError(f"The metrics of {model!r} lack one of {', '.join(_WANTED)}; found {sorted(found)}.")
    return found


async def _one_round(server: Served, number: int) -> float:
    loop = asyncio.get_running_loop()
    url = _metrics_url(server)

    async def gauges() -> Mapping[str, float]:
        return engine_gauges(await loop.run_in_executor(None, _fetch, url), NAME)

    before = await gauges()
    prompts = token_prompts(STREAMS, INPUT_TOKENS, TOKENS, seed=9000 + number)
    connections = [await Connection.open(HOST, server.port) for _ in prompts]
    firsts = [loop.create_future() for _ in prompts]
    tasks = [
        asyncio.create_task(_read(server, connection, prompt, first))
        for connection, prompt, first in zip(connections, prompts, firsts, strict=True)
    ]
    async with asyncio.timeout(_LONGEST_WAIT):
        await asyncio.gather(*firsts)
        await _until(lambda now: now["_running"] >= STREAMS, gauges)
        began = time.perf_counter()
        for connection in connections:
            connection.close()
        cache = before["_kv_cache_usage"] + _ROUNDING
        await _until(lambda now: now["_running"] == 0 and now["_kv_cache_usage"] <= cache, gauges)
    elapsed = time.perf_counter() - began
    await asyncio.gather(*tasks)
    return elapsed


async def _until(
    reached: Callable[[Mapping[str, float]], bool], gauges: Callable[[], Awaitable[Mapping[str, float]]]
) -> None:
    while not reached(await gauges()):  # noqa: ASYNC110  the state of another process has no event
        await asyncio.sleep(_POLL)


async def _read(server: Served, connection: Connection, prompt: list[int], first: asyncio.Future[None]) -> None:
    seen = FirstToken()

    def is_first(piece: bytes) -> bool:
        if not seen.seen(piece):
            return False
        first.set_result(None)
        return True

    request = post(server.host, PATH, stream_body(NAME, prompt, _OUTPUT_TOKENS), server.headers)
    try:
        reply = await connection.send(request, _LONGEST_WAIT, is_first)
    except Disconnected:
        return
    if not first.done():
        first.set_exception(ValueError(f"{PATH} answered {reply.status}: {reply.body[:500]!r}"))


def _metrics_url(server: Served) -> str:
    """Triton's own metrics page, the only TCP port it has."""
    ports = {item.laddr.port for item in server.triton().net_connections("tcp") if item.status == "LISTEN"}
    if len(ports) != 1:
        raise ValueError(f"Triton should listen on one TCP port for metrics; it listens on {sorted(ports)}.")
    return f"http://{HOST}:{ports.pop()}/metrics"


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
