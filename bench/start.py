"""How long `argosy serve` takes until it answers."""

from __future__ import annotations

from bench.context import Context
from bench.figures import middle
from bench.measurement import Measurement, at_most
from bench.served import serve


def measure(context: Context) -> list[Measurement]:
    """From the start of the program to readiness, with everything in the bundled store."""
    with serve([], *context.flags) as server:
        first = server.ready_after
    durations = []
    for number in range(context.rounds):
        with serve([], *context.flags) as server:
            durations.append(server.ready_after)
        context.note(f"start: round {number + 1} of {context.rounds}, {durations[-1]:.1f} s")
    return [
        Measurement(
            "start, bundled models, warm",
            middle(durations),
            "s",
            at_most(10.0),
            "From running `argosy serve` to the first 200 of /v1/health/ready; everything was started once before.",
            {"first s": first, "longest s": max(durations)},
        )
    ]
