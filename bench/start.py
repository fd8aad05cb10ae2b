"""How long `argosy serve` takes until it answers."""

from __future__ import annotations

import http.client
import json
import time

from bench.context import Context
from bench.figures import middle
from bench.measurement import Measurement, at_most
from bench.served import HOST, Served, ServeFailed, serve

_TALKER = "abacus"
_TOKEN_SECONDS = 60.0


def measure(context: Context) -> list[Measurement]:
    """From the start of the program to readiness, with everything in the bundled store."""
    with serve([], *context.flags) as server:
        first = server.ready_after
    durations, tokens = [], []
    for number in range(context.rounds):
        with serve([], *context.flags) as server:
            durations.append(server.ready_after)
            tokens.append(server.ready_after + first_token(server))
        context.note(f"start: round {number + 1} of {context.rounds}, {durations[-1]:.1f} s")
    return [
        Measurement(
            "start, bundled models, warm",
            middle(durations),
            "s",
            at_most(10.0),
            "From running `argosy serve` to the first 200 of /v1/health/ready; everything was started once before.",
            {"first s": first, "longest s": max(durations)},
        ),
        Measurement(
            "start to the first token, filled cache",
            middle(tokens),
            "s",
            at_most(10.0),
            "From running `argosy serve` with the bundled models, nothing of it running before and everything in its "
            f"cache, to readiness, and from there to the first piece of a streamed chat answer of {_TALKER}.",
            {"after readiness s": middle(tokens) - middle(durations), "longest s": max(tokens)},
        ),
    ]


def first_token(server: Served) -> float:
    """Seconds until the first piece of text of a streamed chat answer.

    Raises:
        ServeFailed: there is none.
    """
    question = {"role": "user", "content": "What is 37 plus 45?"}
    body = {"model": _TALKER, "messages": [question], "stream": True}
    connection = http.client.HTTPConnection(HOST, server.port, timeout=_TOKEN_SECONDS)
    began = time.perf_counter()
    try:
        headers = {**server.headers, "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        while line := answer.readline():
            if line.startswith(b"data: {") and _has_text(json.loads(line[len(b"data: ") :])):
                return time.perf_counter() - began
    finally:
        connection.close()
    raise ServeFailed(f"{_TALKER} answered {answer.status} without a piece of text.")


def _has_text(event: dict) -> bool:
    return any(choice["delta"].get("content") for choice in event.get("choices", []))
