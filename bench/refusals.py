"""How long bad input takes to be refused, and what that costs a stream beside it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import uvloop

from bench.client import Connection, FirstToken, Reply, post
from bench.context import MODELS, Context
from bench.embeddings import in_turn
from bench.figures import middle, neighbour_ratios, spread
from bench.measurement import Measurement, at_most
from bench.served import HOST, Served, serve

MODEL = "abacus"
_ASKED = [{"role": "user", "content": "What is 12 + 30?"}]
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,not an image"}}
_REPLY_SECONDS = 10.0
_REPEATS = 10
_STREAM_SECONDS = 60.0
_STREAM_TOKENS = 900


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
_SCHEMAS = tuple(name for name in _FIELDS if name.startswith(("schema", "regex")))


def _compiled(number: int) -> Iterator[dict[str, Any]]:
    """Constraints that only the compiler refuses, after work; new with every `number`, for verdicts are remembered."""
    yield {"guided_regex": f"(a+)+{number}(unclosed"}
    yield {"guided_regex": f"[z-a]{number}"}
    yield {"guided_json": {"type": "string", "pattern": f"((a|b|c|d|e|f){{1,300}}){{1,300}}{number}"}}
    yield {"guided_grammar": f"root ::= nowhere{number}"}


def measure(context: Context) -> list[Measurement]:
    """The slowest refusal of the table, and how much slower a stream is beside a client that is only refused."""
    with serve([MODEL], "--model-store", str(MODELS), *context.flags) as server:
        return [_slowest(context, server), _beside(context, server)]


def _slowest(context: Context, server: Served) -> Measurement:
    medians = {name: 1000 * middle(uvloop.run(_refused(server, fields))) for name, fields in _FIELDS.items()}
    slowest = max(medians, key=lambda name: medians[name])
    context.note(f"refusals: the slowest is {slowest!r}, {medians[slowest]:.1f} ms")
    return Measurement(
        "bad input, slowest refusal p50",
        medians[slowest],
        "ms",
        at_most(100.0),
        f"Median time of {_REPEATS} chat requests with one bad field each, over one connection, from first byte "
        "of the request to last of the 400; the slowest of the fields.",
        {name: f"{value:.1f}" for name, value in medians.items()},
    )


def _beside(context: Context, server: Served) -> Measurement:
    numbers = itertools.count()
    refused: list[int] = []

    def alone() -> float:
        return middle(uvloop.run(_streams(server, context.seconds)))

    def beside() -> float:
        async def both() -> list[float]:
            ended = asyncio.Event()
            hostile = asyncio.create_task(_besiege(server, numbers, ended))
            try:
                return await _streams(server, context.seconds)
            finally:
                ended.set()
                refused.append(await hostile)

        return middle(uvloop.run(both()))

    alone()
    baselines, subjects = in_turn(context, "a stream beside bad input", alone, beside)
    ratios = neighbour_ratios(baselines, subjects)
    return Measurement(
        "bad input, time per token of a stream beside it",
        middle(ratios),
        "x",
        at_most(1.5),
        f"Streams of {_STREAM_TOKENS} tokens from {MODEL}, one after another: time from the first event to the last, "
        "stalls included, over the tokens between, median of the streams; while another client sends schemas and "
        "regular expressions that are refused, some by their form and some by the compiler, each as soon as the last "
        "is refused; over the same without that client, in turn.",
        {
            "ratios": spread(ratios),
            "alone ms/token": 1000 * middle(baselines),
            "beside ms/token": 1000 * middle(subjects),
            "refused": sum(refused),
        },
    )


async def _streams(server: Served, seconds: float) -> list[float]:
    """Seconds a token of streams that follow each other for `seconds`."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        found.append(await _one_stream(server))
    return found


async def _one_stream(server: Served) -> float:
    body = {"model": MODEL, "prompt": "12 + 30", "max_tokens": _STREAM_TOKENS, "ignore_eos": True, "stream": True}
    connection = await Connection.open(HOST, server.port)
    request = post(server.host, "/v1/completions", json.dumps(body).encode(), server.headers)
    reply = await connection.send(request, _STREAM_SECONDS, FirstToken().seen)
    connection.close()
    if reply.status != 200 or reply.first is None:
        raise ValueError(f"answered {reply.status}: {reply.body[:300]!r}")
    return (reply.ended - reply.first) / (_STREAM_TOKENS - 1)


async def _besiege(server: Served, numbers: Iterator[int], ended: asyncio.Event) -> int:
    """Send bad schemas and expressions one after another; how many were refused."""
    connection, refused = await Connection.open(HOST, server.port), 0
    while not ended.is_set():
        for fields in (*_compiled(next(numbers)), *(_FIELDS[name] for name in _SCHEMAS)):
            if ended.is_set():
                break
            _check_refused(await connection.send(_request(server, fields), _REPLY_SECONDS))
            refused += 1
    connection.close()
    return refused


async def _refused(server: Served, fields: dict[str, Any]) -> list[float]:
    connection = await Connection.open(HOST, server.port)
    request, durations = _request(server, fields), []
    for _ in range(_REPEATS):
        reply = await connection.send(request, _REPLY_SECONDS)
        _check_refused(reply)
        durations.append(reply.seconds)
    connection.close()
    return durations


def _request(server: Served, fields: dict[str, Any]) -> bytes:
    body = json.dumps({"model": MODEL, "messages": _ASKED, "max_tokens": 8, **fields}).encode()
    return post(server.host, "/v1/chat/completions", body, server.headers)


def _check_refused(reply: Reply) -> None:
    if reply.status != 400:
        raise ValueError(f"answered {reply.status}: {reply.body[:300]!r}")
