"""How long bad input takes to be refused."""

from __future__ import annotations

import json
from typing import Any

import uvloop

from bench.client import Connection, post
from bench.context import MODELS, Context
from bench.figures import middle
from bench.measurement import Measurement, at_most
from bench.served import HOST, Served, serve

MODEL = "abacus"
_ASKED = [{"role": "user", "content": "What is 12 + 30?"}]
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,not an image"}}
_REPLY_SECONDS = 10.0
_REPEATS = 10


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def _schema(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


_FIELDS: dict[str, dict[str, Any]] = {
    "n": {"n": 1_000_000},
    "top_logprobs": {"logprobs": True, "top_logprobs": 21},
    "stop, many": {"stop": ["x"] * 10_000},
    "stop, long": {"stop": ["x" * 257]},
    "schema, large": _schema({"enum": ["x" * 70_000]}),
    "schema, deep": _schema(_nested(20)),
    "schema, 10^4 branches": _schema({"anyOf": [{"const": number} for number in range(10_000)]}),
    "schema, 2,500 branches": _schema({"anyOf": [{"const": f"v{number}"} for number in range(2_500)]}),
    "regex, look-around": {"guided_regex": "(?=a)b"},
    "regex, back reference": {"guided_regex": r"(a)\1"},
    "regex, long": {"guided_regex": "(a+)+" * 13_000},
    "chat_template": {"chat_template": "{{ ''.__class__ }}"},
    "cache_salt": {"cache_salt": "mine"},
    "data URL": {"messages": [{"role": "user", "content": [_IMAGE]}]},
    "max_tokens": {"max_tokens": 2**31 - 1},
    "tools, many": {"tools": [{"type": "function", "function": {"name": "f"}}] * 10_000},
}


def measure(context: Context) -> list[Measurement]:
    """The slowest refusal of the table."""
    with serve([MODEL], "--model-store", str(MODELS), *context.flags) as server:
        medians = {name: 1000 * middle(uvloop.run(_refused(server, fields))) for name, fields in _FIELDS.items()}
    slowest = max(medians, key=lambda name: medians[name])
    context.note(f"refusals: the slowest is {slowest!r}, {medians[slowest]:.1f} ms")
    return [
        Measurement(
            "bad input, slowest refusal p50",
            medians[slowest],
            "ms",
            at_most(100.0),
            f"Median time of {_REPEATS} chat requests with one bad field each, over one connection, from first byte "
            "of the request to last of the 400; the slowest of the fields.",
            {name: f"{value:.1f}" for name, value in medians.items()},
        )
    ]


async def _refused(server: Served, fields: dict[str, Any]) -> list[float]:
    body = json.dumps({"model": MODEL, "messages": _ASKED, "max_tokens": 8, **fields}).encode()
    request = post(server.host, "/v1/chat/completions", body, server.headers)
    connection = await Connection.open(HOST, server.port)
    durations = []
    for _ in range(_REPEATS):
        reply = await connection.send(request, _REPLY_SECONDS)
        if reply.status != 400:
            raise ValueError(f"answered {reply.status}: {reply.body[:300]!r}")
        durations.append(reply.seconds)
    connection.close()
    return durations
