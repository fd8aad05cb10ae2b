"""The same load on Argosy and on Infinity, in turn: `python -m bench.peers`."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import orjson
from rich.console import Console

from bench import infinity, machine, report
from bench.context import RESULTS, ROOT, Context
from bench.costs import Costs
from bench.embeddings import MODEL, PATH, SENTENCES, body_file, in_turn
from bench.figures import middle, neighbour_ratios, spread
from bench.measurement import Bar, Measurement, at_least
from bench.served import Served, ServeFailed, serve
from bench.texts import sentences
from bench.wrk import Load, LoadFailed, drive

FORM = "float"
"""Both sides answer in the form that every client of both understands."""

_WARM_UP_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Shape:
    """So many clients, each sending so many sentences a request."""

    clients: int
    per_request: int
    bar: Bar


SHAPES = (Shape(1, 1, at_least(3)), Shape(16, 1, at_least(5)), Shape(64, 1, at_least(5)), Shape(8, 32, at_least(5)))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(1, 600), default=8.0, show_default=True, help="Length of one load.")
@click.option("--rounds", type=click.IntRange(1, 50), default=3, show_default=True, help="Turns of peer and Argosy.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.option("--write/--no-write", default=True, help="Write the result below bench/results.")
@click.option("--engine-threads", type=click.IntRange(1, 1024), help="Passed to Argosy; its own choice without.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a bar is missed.")
def main(seconds: float, rounds: int, as_json: bool, write: bool, engine_threads: int | None, strict: bool) -> None:
    """Install Infinity (torch) in .work/peers/.venv, then send it and Argosy the same load in turn."""
    console = Console(stderr=as_json)
    try:
        with tempfile.TemporaryDirectory(prefix="argosy-bench-") as directory:
            flags = ("--engine-threads", str(engine_threads)) if engine_threads else ()
            outcome = run(Context(seconds, rounds, Path(directory), report.teller(console), flags))
    except (infinity.PeerFailed, ServeFailed, LoadFailed) as error:
        console.print(str(error), style="bold red", markup=False)
        sys.exit(1)
    report.show(outcome, console)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(outcome.to_mapping(), option=orjson.OPT_INDENT_2) + b"\n")
    if write:
        for path in report.write(outcome, RESULTS, "-peers"):
            console.print(f"written: {path.relative_to(ROOT)}")
    if strict and outcome.missed:
        sys.exit(1)


def run(context: Context) -> report.Report:
    """Install, serve both, measure every shape."""
    facts, began = machine.describe(), dt.datetime.now().astimezone()
    context.note("installing Infinity in an environment of its own, unless it is there")
    infinity.install()
    # Both at once: while one is under load the other sleeps, and turns can alternate quickly.
    with infinity.serve() as peer, serve([MODEL], *context.flags) as server:
        measurements = [_shape(context, peer, server, shape) for shape in SHAPES]
    return report.Report(
        title="Argosy against Infinity (torch), the same load in turn",
        when=began,
        commit=machine.commit(),
        machine=facts,
        versions={**machine.versions(), **infinity.versions()},
        options=report.options(context),
        measurements=measurements,
    )


def _shape(context: Context, peer: infinity.Infinity, server: Served, shape: Shape) -> Measurement:
    texts = sentences(SENTENCES)
    theirs = body_file(context.directory, texts, shape.per_request, FORM, infinity.MODEL)
    ours = body_file(context.directory, texts, shape.per_request, FORM)

    costs = Costs()

    def peer_rate(seconds: float, costs: Costs = costs) -> float:
        def work() -> Load:
            return drive(peer.url(), theirs, clients=shape.clients, seconds=seconds)

        return costs.of_server(peer, work, shape.per_request).rate * shape.per_request

    def our_rate(seconds: float, costs: Costs = costs) -> float:
        def work() -> Load:
            return drive(server.url(PATH), ours, clients=shape.clients, seconds=seconds, headers=server.wrk_headers)

        return costs.of_server(server, work, shape.per_request).rate * shape.per_request

    name = f"embeddings {shape.clients} x {shape.per_request} against Infinity"
    peer_rate(_WARM_UP_SECONDS, Costs()), our_rate(_WARM_UP_SECONDS, Costs())
    baselines, subjects = in_turn(context, name, lambda: peer_rate(context.seconds), lambda: our_rate(context.seconds))
    ratios = neighbour_ratios(baselines, subjects)
    return Measurement(
        name,
        middle(ratios),
        "x",
        shape.bar,
        f"wrk with {shape.clients} connections posts {shape.per_request} sentence(s) a request, answers as "
        "floats; sentences/s of Argosy (authentication on, its default profile) over those of Infinity (torch, its "
        "defaults, the original fp32 weights), both running, loaded in turn. Figures in us: processor time a sentence.",
        {"argosy/s": middle(subjects), "infinity/s": middle(baselines), "ratios": spread(ratios), **costs.details()},
    )


if __name__ == "__main__":
    main()
