"""What the gateway spends on a token that it streams, with an engine that costs nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson
import uvloop

from bench.client import Connection, events, post
from bench.context import Context
from bench.figures import middle, spread
from bench.measurement import Measurement, at_most
from bench.profiling import recorded
from bench.served import HOST, Served, serve
from bench.stores import write_echo

MODEL = "echo"
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
CLIENTS = 8
TOKENS = 256
DELAY_MS = 10
"""Between two tokens of a stream: long enough that hardly any two leave in one event."""

_REPLY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """One form of request whose events are counted."""

    name: str
    path: str
    fields: dict[str, object]
    barred: bool = True


_PROMPT = "one two three four"
_KINDS = (
    _Kind("completions", "/v1/completions", {"prompt": _PROMPT}),
    _Kind("chat", "/v1/chat/completions", {"messages": [{"role": "user", "content": _PROMPT}]}),
    _Kind("completions with logprobs", "/v1/completions", {"prompt": _PROMPT, "logprobs": 0}, barred=False),
)


def measure(context: Context) -> list[Measurement]:
    """Processor time of the gateway for each streamed token."""
    store = context.directory / "echo-streams"
    write_echo(store, MODEL, {"delay_ms": str(DELAY_MS)}, chat_template=TEMPLATE)
    with serve([MODEL], "--model-store", str(store), *context.flags) as server:
        return [_cost(context, server, kind) for kind in _KINDS]


def _cost(context: Context, server: Served, kind: _Kind) -> Measurement:
    uvloop.run(_round(server, kind))
    gateway: list[float] = []
    stub: list[float] = []
    pieces: list[float] = []
    with recorded(context, server, f"streams-{kind.name.replace(' ', '-')}"):
        for _ in range(context.rounds):
            before = server.processor_seconds()
            tokens, seen = uvloop.run(_round(server, kind))
            used = {part: seconds - before[part] for part, seconds in server.processor_seconds().items()}
            gateway.append(1000 * used["gateway"] / tokens)
            stub.append(1000 * used["stub"] / tokens)
            pieces.append(seen / tokens)
    context.note(f"streams, {kind.name}: {middle(gateway):.3f} ms a token")
    return Measurement(
        f"gateway, processor time a streamed token ({kind.name})",
        middle(gateway),
        "ms",
        at_most(0.3) if kind.barred else None,
        f"{CLIENTS} streams of {TOKENS} tokens from an echo model that sends one every {DELAY_MS} ms to {kind.path}; "
        "processor time of the gateway's processes, start and end of the requests included, over the tokens sent.",
        {"gateway ms": spread(gateway), "stub ms": middle(stub), "events a token": middle(pieces)},
    )


async def _round(server: Served, kind: _Kind) -> tuple[int, int]:
    """Tokens and events of one round of streams, all at once."""
    body = orjson.dumps(
        {
            "model": MODEL,
            "max_tokens": TOKENS,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **kind.fields,
        }
    )
    request = post(server.host, kind.path, body, server.headers)
    counts = await asyncio.gather(*(_stream(server, request) for _ in range(CLIENTS)))
    return sum(tokens for tokens, _ in counts), sum(seen for _, seen in counts)


async def _stream(server: Served, request: bytes) -> tuple[int, int]:
    connection = await Connection.open(HOST, server.port)
    reply = await connection.send(request, _REPLY_SECONDS)
    connection.close()
    if reply.status != 200:
        raise ValueError(f"answered {reply.status}: {reply.body[:500]!r}")
    seen = events(reply.body)
    return int(seen[-1]["usage"]["completion_tokens"]), len(seen)
