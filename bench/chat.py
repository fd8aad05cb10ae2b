"""Token streams over HTTP against the bare generation loop in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
import uvloop

from argosy.store.entries import read_entry
from bench.client import Connection, FirstToken, events, post
from bench.context import MODELS, ROOT, WORK, Context
from bench.figures import middle, neighbour_differences, neighbour_ratios, spread
from bench.measurement import Measurement, at_least, at_most
from bench.profiling import recorded
from bench.raw_generation import Generated, RawGenerator
from bench.served import HOST, Served, serve
from bench.texts import token_prompts

RANDOM_LLAMA = WORK / "random-llama" / "1" / "model.gguf"
NAME = "random-llama"
PATH = "/v1/completions"
INPUT_TOKENS, OUTPUT_TOKENS = 128, 64
STREAMS = {1: 3, 8: 16, 32: 32}
"""Concurrent streams to requests in one round."""

TOKENS = range(300, 49152)
"""Token ids of the random model that are neither single bytes nor special."""

_ABACUS = "abacus"
_ABACUS_TOKENS = range(48, 138)
_REPLY_SECONDS = 300.0


@dataclass(slots=True)
class Streamed(Generated):
    """What the clients saw.

    Attributes:
        client_share: processor time of this process over the time of the run; near 1 the client is the bottleneck.
        server_processor: seconds of processor time that the server used.
    """

    client_share: float = 0.0
    server_processor: float = 0.0

    @property
    def cost(self) -> float:
        """Milliseconds of processor time a token, as `Generated.cost`."""
        return 1000 * self.server_processor / self.tokens


@dataclass(slots=True)
class _Rounds:
    raw: list[Generated] = field(default_factory=list)
    served: list[Streamed] = field(default_factory=list)


def measure(context: Context) -> list[Measurement]:
    """Output tokens a second and time to the first token at 1, 8 and 32 streams."""
    make_random_llama(context)
    context.note("chat: loading the 361M model in this process")
    raw = RawGenerator(RANDOM_LLAMA)
    measurements: list[Measurement] = []
    with serve([f"{NAME}={RANDOM_LLAMA}"], *context.flags) as server:
        _warm_up(server, raw)
        for streams, requests in STREAMS.items():
            with recorded(context, server, f"chat-{streams}"):
                rounds = _rounds(context, server, raw, streams, requests)
            measurements += _rows(rounds, streams)
    return measurements


def make_random_llama(context: Context) -> None:
    """Write the model once; it takes some seconds and 400 MB."""
    if not RANDOM_LLAMA.exists():
        context.note("chat: writing a Llama with random weights")
        command = [sys.executable, str(ROOT / "bench" / "random_llama.py"), str(RANDOM_LLAMA)]
        subprocess.run(command, check=True, timeout=900, stdout=subprocess.DEVNULL)


def stream(
    server: Served,
    prompts: Sequence[Sequence[int]],
    streams: int,
    *,
    model: str = NAME,
    output_tokens: int = OUTPUT_TOKENS,
) -> Streamed:
    """Stream a completion for each prompt from `streams` connections, each sending its next when one ends.

    Raises:
        ValueError: an answer was not a whole stream of exactly `output_tokens` tokens.
    """
    before = sum(server.processor_seconds().values())
    outcome = uvloop.run(_stream(server, prompts, streams, model, output_tokens))
    outcome.server_processor = sum(server.processor_seconds().values()) - before
    return outcome


async def _stream(
    server: Served, prompts: Sequence[Sequence[int]], streams: int, model: str, output_tokens: int
) -> Streamed:
    requests = iter(
        [post(server.host, PATH, stream_body(model, prompt, output_tokens), server.headers) for prompt in prompts]
    )
    connections = [await Connection.open(HOST, server.port) for _ in range(streams)]
    outcome = Streamed()
    processor, began = time.process_time(), time.perf_counter()

    async def client(connection: Connection) -> None:
        for request in requests:
            reply = await connection.send(request, _REPLY_SECONDS, FirstToken().seen)
            outcome.tokens += _tokens(reply.status, reply.body, output_tokens)
            outcome.first_tokens.append((reply.first or reply.ended) - reply.sent)

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(client(connection))
    outcome.seconds = time.perf_counter() - began
    outcome.client_share = (time.process_time() - processor) / outcome.seconds
    for connection in connections:
        connection.close()
    return outcome


def stream_body(model: str, prompt: Sequence[int], output_tokens: int) -> bytes:
    """A streamed completion of exactly `output_tokens` tokens, its usage in the last event."""
    return orjson.dumps(
        {
            "model": model,
            "prompt": list(prompt),
            "max_tokens": output_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )


def _tokens(status: int, body: bytes, expected: int) -> int:
    if status != 200:
        raise ValueError(f"{PATH} answered {status}: {body[:500]!r}")
    usages = [event["usage"] for event in events(body) if event.get("usage")]
    produced = usages[-1]["completion_tokens"] if usages else 0
    if produced != expected:
        raise ValueError(f"A stream had {produced} tokens instead of {expected}; the comparison would not be fair.")
    return int(produced)


def _warm_up(server: Served, raw: RawGenerator) -> None:
    prompts = token_prompts(8, INPUT_TOKENS, TOKENS, seed=0)
    raw.run(prompts, 8, 8)
    stream(server, prompts, 8, output_tokens=8)


def _rounds(context: Context, server: Served, raw: RawGenerator, streams: int, requests: int) -> _Rounds:
    rounds = _Rounds()
    # One raw run more than served ones; every run has prompts that neither side has seen.
    for number in range(context.rounds + 1):
        prompts = token_prompts(requests, INPUT_TOKENS, TOKENS, seed=1000 * streams + number)
        rounds.raw.append(raw.run(prompts, streams, OUTPUT_TOKENS))
        if number < context.rounds:
            rounds.served.append(stream(server, prompts, streams))
            context.note(
                f"chat {streams} streams: round {number + 1} of {context.rounds}, "
                f"{rounds.served[-1].rate:.4g} against {rounds.raw[-1].rate:.4g} tok/s"
            )
    return rounds


def _rows(rounds: _Rounds, streams: int) -> list[Measurement]:
    rates = neighbour_ratios([run.rate for run in rounds.raw], [run.rate for run in rounds.served])
    raw_first = [middle(run.first_tokens) * 1000 for run in rounds.raw]
    served_first = [middle(run.first_tokens) * 1000 for run in rounds.served]
    added = neighbour_differences(raw_first, served_first)
    load = f"{streams} streams of {INPUT_TOKENS} tokens in and {OUTPUT_TOKENS} out (end token ignored)"
    plural = "s" if streams > 1 else ""
    return [
        Measurement(
            f"chat {streams} stream{plural}, output rate",
            middle(rates),
            "x",
            at_least(0.95),
            f"{load} through {PATH} on a 361M-parameter Llama with random int8 weights; tokens/s over the same prompts "
            "in a bare ContinuousBatchingPipeline loop in process, run in turn. ms/token: processor time.",
            {
                "served tok/s": middle([run.rate for run in rounds.served]),
                "raw tok/s": middle([run.rate for run in rounds.raw]),
                "ratios": spread(rates),
                "served ms/token": middle([run.cost for run in rounds.served]),
                "raw ms/token": middle([run.cost for run in rounds.raw]),
                "client share of a core": middle([run.client_share for run in rounds.served]),
            },
        ),
        Measurement(
            f"chat {streams} stream{plural}, added TTFT p50",
            middle(added),
            "ms",
            at_most(10.0),
            f"{load}: median time to the first text, minus that of the bare loop.",
            {"served ms": middle(served_first), "raw ms": middle(raw_first), "added ms": spread(added)},
        ),
    ]


def measure_abacus(context: Context) -> list[Measurement]:
    """The bundled toy model, where serving costs more than the network: reported without a bar."""
    folder = MODELS / _ABACUS / "1"
    raw = RawGenerator(folder, read_entry(MODELS / _ABACUS).spec.profile.precision)
    streams = 8
    with serve([_ABACUS], *context.flags) as server:
        prompts = token_prompts(64, 32, _ABACUS_TOKENS, seed=7)
        raw.run(prompts[:8], streams, OUTPUT_TOKENS)
        stream(server, prompts[:8], streams, model=_ABACUS)
        baselines, subjects = [raw.run(prompts, streams, OUTPUT_TOKENS).rate], []
        for _ in range(context.rounds):
            subjects.append(stream(server, prompts, streams, model=_ABACUS).rate)
            baselines.append(raw.run(prompts, streams, OUTPUT_TOKENS).rate)
    ratios = neighbour_ratios(baselines, subjects)
    return [
        Measurement(
            f"abacus {streams} streams, output rate",
            middle(ratios),
            "x",
            None,
            f"As chat, with the bundled {_ABACUS}: a step of so small a network costs less than sending its tokens.",
            {"served tok/s": middle(subjects), "raw tok/s": middle(baselines), "ratios": spread(ratios)},
        )
    ]
