"""Measure what serving costs over the raw engines: `python -m bench`."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import orjson
from rich.console import Console

from bench import machine, report
from bench.context import RESULTS, ROOT, Context
from bench.measurement import Measurement
from bench.served import ServeFailed
from bench.wrk import LoadFailed

Measure = Callable[[Context], list[Measurement]]

SUBJECTS: dict[str, str] = {
    "start": "bench.start:measure",
    "embeddings": "bench.embeddings:measure",
    "batching": "bench.batching:measure",
    "gateway": "bench.gateway:measure",
    "streams": "bench.streams:measure",
    "kserve": "bench.kserve:measure",
    "refusals": "bench.refusals:measure",
    "overload": "bench.overload:measure",
    "chat": "bench.chat:measure",
    "abacus": "bench.chat:measure_abacus",
    "cancel": "bench.cancel:measure",
    "heal": "bench.heal:measure",
}
"""What can be measured, in the order of a full run."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", default="", help=f"Comma-separated subset of: {', '.join(SUBJECTS)}.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=8.0, show_default=True, help="Length of one load.")
@click.option(
    "--rounds", type=click.IntRange(1, 50), default=3, show_default=True, help="Turns of baseline and subject."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.option("--profile", is_flag=True, help="Record flame graphs with py-spy; such a run is not written as a result.")
@click.option("--write/--no-write", default=True, help="Write the result below bench/results (full runs only).")
@click.option("--engine-threads", type=click.IntRange(1, 1024), help="Passed to every server; its own choice without.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a bar is missed.")
def main(
    only: str,
    seconds: float,
    rounds: int,
    as_json: bool,
    profile: bool,
    write: bool,
    engine_threads: int | None,
    strict: bool,
) -> None:
    """Measure this working tree and print each figure beside its bar."""
    chosen = choose(only)
    console = Console(stderr=as_json)
    flags = ("--engine-threads", str(engine_threads)) if engine_threads else ()
    with tempfile.TemporaryDirectory(prefix="argosy-bench-") as directory:
        context = Context(seconds, rounds, Path(directory), report.teller(console), flags, profile)
        outcome = run(chosen, context)
    report.show(outcome, console)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(outcome.to_mapping(), option=orjson.OPT_INDENT_2) + b"\n")
    if write and not profile and chosen == list(SUBJECTS):
        for path in report.write(outcome, RESULTS):
            console.print(f"written: {path.relative_to(ROOT)}")
    if outcome.failures or (strict and outcome.missed):
        sys.exit(1)


def choose(only: str) -> list[str]:
    """The subjects named in `only`, in the order of a full run; all of them when it is empty.

    Raises:
        click.UsageError: a name is unknown.
    """
    named = [name.strip() for name in only.split(",") if name.strip()]
    if strangers := sorted(set(named) - set(SUBJECTS)):
        raise click.UsageError(f"unknown: {', '.join(strangers)}; known: {', '.join(SUBJECTS)}")
    return [name for name in SUBJECTS if not named or name in named]


def run(chosen: Sequence[str], context: Context) -> report.Report:
    """Measure `chosen` one after another; one that fails is reported and does not stop the others."""
    facts, began = machine.describe(), dt.datetime.now().astimezone()
    measurements: list[Measurement] = []
    failures: dict[str, str] = {}
    for name in chosen:
        context.note(f"{name}: begins")
        try:
            measurements += _load(SUBJECTS[name])(context)
        # The next measurement starts a server of its own: it can succeed where this one did not.
        except (ServeFailed, LoadFailed, OSError, ValueError, RuntimeError, TimeoutError, ExceptionGroup) as error:
            failures[name] = f"{type(error).__name__}: {error}"
            context.note(f"{name}: failed: {failures[name]}")
    return report.Report(
        title="Argosy, measured in one run",
        when=began,
        commit=machine.commit(),
        machine=facts,
        versions=machine.versions(),
        options=report.options(context),
        measurements=measurements,
        failures=failures,
    )


def _load(target: str) -> Measure:
    module, _, function = target.partition(":")
    found: Measure = getattr(importlib.import_module(module), function)
    return found


if __name__ == "__main__":
    main()
