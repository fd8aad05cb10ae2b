"""What Triton's dynamic batching gains."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bench.context import MODELS, Context
from bench.embeddings import MODEL, PATH, SENTENCES, body_file, in_turn
from bench.figures import middle, neighbour_ratios, spread
from bench.measurement import Measurement, at_least
from bench.raw_encoder import RawEncoder
from bench.served import serve
from bench.stores import copy_without_batching
from bench.texts import sentences
from bench.wrk import drive

UNBATCHED = "unbatched"
CLIENTS = 64
_WARM_UP_SECONDS = 3.0
_SINGLES = 200


def measure(context: Context) -> list[Measurement]:
    """64 clients with one sentence each: the bundled encoder against a copy of it without batching."""
    store = context.directory / "unbatched-store"
    copy_without_batching(MODELS / MODEL, store, UNBATCHED)
    texts = sentences(SENTENCES)
    stores = os.pathsep.join((str(MODELS), str(store)))
    with serve([MODEL, UNBATCHED], "--model-store", stores, *context.flags) as server:

        def rate(model: str, seconds: float) -> float:
            bodies = body_file(context.directory, texts, 1, "base64", model)
            return drive(server.url(PATH), bodies, clients=CLIENTS, seconds=seconds, headers=server.wrk_headers).rate

        for model in (UNBATCHED, MODEL):
            rate(model, _WARM_UP_SECONDS)
        off, on = in_turn(
            context, "dynamic batching", lambda: rate(UNBATCHED, context.seconds), lambda: rate(MODEL, context.seconds)
        )
        own = _own_gain(texts)
    ratios = neighbour_ratios(off, on)
    return [
        Measurement(
            f"dynamic batching, {CLIENTS} clients",
            middle(ratios),
            "x",
            at_least(3.5),
            f"wrk with {CLIENTS} connections, one sentence a request, base64: {MODEL} over a copy of its store entry "
            "with dynamic_batching removed and max_batch_size 1, both in the same server, in turn. The engine's own "
            "gain is what batches of 32 bring it in process over one sentence at a time, every processor: no scheduler "
            "can add more than that and the cost of a request.",
            {"on/s": middle(on), "off/s": middle(off), "ratios": spread(ratios), "engine's own gain": own},
        )
    ]


def _own_gain(texts: Sequence[str]) -> float:
    """How many times as many sentences the bare engine takes in batches as one at a time."""
    raw = RawEncoder(MODELS / MODEL)
    raw.choose(texts)
    return raw.rate(texts) * raw.latency(texts[:_SINGLES]) / 1000
