"""Embeddings over HTTP against the same network in this process."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import uvloop

from bench.client import Connection, post
from bench.context import MODELS, Context
from bench.costs import Costs
from bench.figures import middle, neighbour_differences, neighbour_ratios, spread
from bench.measurement import Bar, Measurement, at_least, at_most
from bench.profiling import recorded
from bench.raw_encoder import PASSES, RawEncoder
from bench.served import HOST, Served, serve
from bench.texts import embedding_bodies, sentences, write_lines
from bench.wrk import Load, drive

MODEL = "all-minilm-l6-v2"
PATH = "/v1/embeddings"
SENTENCES = 512
FORMATS = ("float", "base64")
WARM_UP_SECONDS = 3.0
_LATENCY_SENTENCES = 200
_SAME_VECTOR = 0.99


@dataclass(frozen=True, slots=True)
class Shape:
    """A load: so many clients, each sending so many sentences a request."""

    clients: int
    per_request: int
    bar: Bar

    @property
    def label(self) -> str:
        """As in the design: clients x sentences."""
        return f"{self.clients} x {self.per_request}"


SHAPES = (Shape(64, 1, at_least(0.60)), Shape(8, 32, at_least(0.80)))


def measure(context: Context) -> list[Measurement]:
    """Sentences a second under load as a share of the engine's own rate, and what one client waits for."""
    texts = sentences(SENTENCES)
    context.note("embeddings: compiling the network in this process")
    raw = RawEncoder(MODELS / MODEL)
    raw.choose(texts)
    with serve([MODEL], *context.flags) as server:
        check_answers(server, raw, texts[:16])
        warm_up(server, context, texts)
        measurements = [_under_load(context, server, raw, texts, shape, form) for shape in SHAPES for form in FORMATS]
        return [*measurements, _one_client(context, server, raw, texts)]


def check_answers(server: Served, raw: RawEncoder, texts: Sequence[str]) -> None:
    """Make sure that both sides do the same work before comparing how fast they do it.

    Raises:
        ValueError: the vectors differ.
    """
    body = embedding_bodies(texts, len(texts), MODEL, "base64")[0]

    async def ask() -> bytes:
        connection = await Connection.open(HOST, server.port)
        reply = await connection.send(post(server.host, PATH, body, server.headers), 60)
        connection.close()
        return reply.body

    rows = orjson.loads(uvloop.run(ask()))["data"]
    served = np.stack([np.frombuffer(base64.b64decode(row["embedding"]), np.float32) for row in rows])
    nearest = float((served * raw.vectors(texts)).sum(1).min())
    if nearest < _SAME_VECTOR:
        raise ValueError(f"The served vectors differ from the engine's: lowest cosine {nearest:.4f}.")


def warm_up(server: Served, context: Context, texts: Sequence[str]) -> None:
    """Load that is not measured, until every batch shape was seen."""
    for shape in SHAPES:
        _drive(context, server, texts, shape, "float", WARM_UP_SECONDS)


def _under_load(
    context: Context, server: Served, raw: RawEncoder, texts: Sequence[str], shape: Shape, form: str
) -> Measurement:
    costs = Costs()

    def raw_rate() -> float:
        return costs.of_this_process(lambda: raw.rate(texts), PASSES * len(texts))

    def serve_rate() -> float:
        load = costs.of_server(
            server, lambda: _drive(context, server, texts, shape, form, context.seconds), shape.per_request
        )
        return load.rate * shape.per_request

    name = f"embeddings {shape.label}, {form}"
    with recorded(context, server, f"embeddings-{shape.clients}x{shape.per_request}-{form}"):
        baselines, subjects = in_turn(context, name, raw_rate, serve_rate)
    ratios = neighbour_ratios(baselines, subjects)
    return Measurement(
        name,
        middle(ratios),
        "x",
        shape.bar,
        f"wrk with {shape.clients} connections posts {shape.per_request} sentence(s) a request to {PATH} "
        f"with encoding_format {form}; sentences/s over what plain OpenVINO does with {len(texts)} such sentences "
        "sorted by length in batches of 32 (best of three passes, same network, precision, tokenizer and pooling, "
        "every processor), measured before and after each load. Figures in us: processor time a sentence.",
        {
            "served/s": middle(subjects),
            "raw/s": middle(baselines),
            "ratios": spread(ratios),
            "precision": raw.precision,
            "hint": raw.hint,
            **costs.details(),
        },
    )


def _one_client(context: Context, server: Served, raw: RawEncoder, texts: Sequence[str]) -> Measurement:
    one = Shape(1, 1, at_most(2.5))

    def serve_latency() -> float:
        return _drive(context, server, texts, one, "base64", context.seconds).p50

    few = texts[:_LATENCY_SENTENCES]
    baselines, subjects = in_turn(context, "embeddings 1 client", lambda: raw.latency(few), serve_latency)
    added = neighbour_differences(baselines, subjects)
    return Measurement(
        "embeddings 1 client, added p50",
        middle(added),
        "ms",
        one.bar,
        "Median answer time of one wrk connection sending one sentence a request, minus the median time of tokenising, "
        "running and pooling one sentence in process, with the LATENCY hint on every processor or on one thread, "
        "whichever is faster.",
        {"served ms": middle(subjects), "raw ms": middle(baselines), "added ms": spread(added), "raw": raw.single},
    )


def in_turn(
    context: Context, name: str, baseline: Callable[[], float], subject: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Measure B S B S … B, `context.rounds` subjects long."""
    baselines, subjects = [baseline()], []
    for number in range(1, context.rounds + 1):
        subjects.append(subject())
        baselines.append(baseline())
        context.note(f"{name}: round {number} of {context.rounds}, {subjects[-1]:.4g} against {baselines[-1]:.4g}")
    return baselines, subjects


def body_file(directory: Path, texts: Sequence[str], per_request: int, form: str, model: str = MODEL) -> Path:
    """Bodies for wrk, written once for each kind."""
    path = directory / f"{model}-{per_request}-{form}.jsonl"
    if path.exists():
        return path
    return write_lines(path, embedding_bodies(texts, per_request, model, form))


def _drive(context: Context, server: Served, texts: Sequence[str], shape: Shape, form: str, seconds: float) -> Load:
    bodies = body_file(context.directory, texts, shape.per_request, form)
    return drive(server.url(PATH), bodies, clients=shape.clients, seconds=seconds, headers=server.wrk_headers)
