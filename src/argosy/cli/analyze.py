"""`argosy analyze`: find the settings that serve a model best on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
import orjson
from click.core import ParameterSource
from rich.console import Console
from rich.markup import escape

from argosy.analysis.apply import Applied, State
from argosy.analysis.goal import Goal, Objective
from argosy.analysis.report.document import Report
from argosy.analysis.space import Configuration
from argosy.analysis.study import Budget, Progress, Step
from argosy.app.analysis.plan import Analysis, AnalysisOptions, prepare
from argosy.app.analysis.run import Target, apply_best, search, write_report
from argosy.cli.analyze_types import LEVELS, SIZE, WORDS
from argosy.cli.progress_lines import ProgressLines, progress_option
from argosy.core.errors import StorageFull
from argosy.server.artifacts.fetch.progress import quiet
from argosy.settings import load

_Found = tuple[Report, Applied | None]
_THIS_RUN = frozenset({"resume", "apply_", "url", "key_file", "as_json", "progress", "budget", "minutes"})


@click.command("analyze")
@click.argument("model")
@click.option(
    "--objective",
    type=click.Choice([item.value for item in Objective]),
    default=Objective.THROUGHPUT.value,
    show_default=True,
    help="What is to be as good as possible.",
)
@click.option("--p99-ms", type=click.FloatRange(min=0, min_open=True), help="Most milliseconds of the 99th percentile.")
@click.option("--memory", type=SIZE, help="Most memory of the model's processes, for example 800MiB or 2GiB.")
@click.option(
    "--min-throughput",
    type=click.FloatRange(min=0, min_open=True),
    help="Least requests a second; output tokens a second for a language model.",
)
@click.option(
    "--budget", type=click.IntRange(min=1), help="Most configurations. Default: a quarter of the space, 12 to 32."
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Begin no measurement later than this.")
@click.option(
    "--concurrency", type=LEVELS, default="1,4,16,64", show_default=True, help="Requests in flight, one load each."
)
@click.option("--precisions", type=WORDS, default="", help="Arithmetic to try, for example f32,bf16.")
@click.option("--space", type=click.Path(path_type=Path), help="YAML file with a list of values for each setting.")
@click.option("--inputs", type=click.Path(path_type=Path), help="JSON lines to send, a row each. Default: made up.")
@click.option("--rows", type=click.IntRange(min=1), default=1, show_default=True, help="Rows in a made-up request.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder of journal and report. Default: analysis-MODEL."
)
@click.option("--resume", is_flag=True, help="Continue the search in the output folder.")
@click.option(
    "--apply", "apply_", is_flag=True, help="Write the best config to the model store; take it back if worse."
)
@click.option("--url", default="", help="A running server that is to reload the model, http://host:port; with --apply.")
@click.option("--key-file", type=click.Path(path_type=Path), help="File with an operator's API key for --url.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; progress goes to standard error.")
@progress_option
def command(model: str, as_json: bool, apply_: bool, url: str, key_file: Path | None, **given: Any) -> None:
    """Search the settings of MODEL on this machine: batching, queue delay, instances, threads, streams, precision.

    Each configuration is loaded into a Triton of the search's own and measured under closed-loop load. The model store
    is not touched before --apply. However a search was ended, --resume goes on with it.

    \b
    argosy analyze all-minilm-l6-v2
    argosy analyze all-minilm-l6-v2 --p99-ms 50 --minutes 10
    argosy analyze ./model.onnx --inputs examples.jsonl --objective latency --min-throughput 200
    argosy analyze abacus --resume --apply --url http://127.0.0.1:8000
    """
    if not apply_ and (url or key_file is not None):
        raise click.UsageError("--url and --key-file go with --apply.")
    console = Console(stderr=as_json, highlight=False)
    told = ProgressLines() if given.pop("progress") == "json" else None
    with contextlib.nullcontext() if told is None else told.failures():
        options = _options(model, given, _again(click.get_current_context()))
        analysis = prepare(load(), options, quiet if told is None else told.on_fetch)
        for warning in analysis.warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
        target = Target(url, key_file) if url else None
        lines = _Lines(console, analysis) if told is None else _Quiet(console, analysis, told)
        ended = asyncio.run(_until_ended(_run(analysis, lines, apply_, target)))
    if ended is None:
        raise click.ClickException("The search was ended. What was measured is kept; continue it with --resume.")
    report, applied = ended
    if as_json:
        click.echo(orjson.dumps(report.to_mapping(), option=orjson.OPT_INDENT_2))
    else:
        _print(console, analysis, report, applied)
    if report.outcome.best is None or (applied is not None and applied.state is State.ROLLED_BACK):
        click.get_current_context().exit(1)


async def _until_ended(work: Coroutine[Any, Any, _Found]) -> _Found | None:
    """What the work comes to, or None when TERM or INT ended it; whatever it started is gone then."""
    running = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    cancel: Callable[[], object] = running.cancel
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, cancel)
    try:
        return await running
    except asyncio.CancelledError:
        return None


async def _run(analysis: Analysis, lines: _Lines, wanted: bool, target: Target | None) -> _Found:
    lines.begin()
    report = await search(analysis, lines.on_progress)
    applied = None
    # What was found is on disk before anything is changed.
    write_report(analysis, report)
    if wanted and report.outcome.worth_applying:
        lines.say("applying the best configuration")
        applied, report = await apply_best(analysis, report, target)
        try:
            write_report(analysis, report)
        except StorageFull as error:
            raise StorageFull(f"{applied.message} {error.message}") from error
    return report, applied


def _again(context: click.Context) -> tuple[str, ...]:
    """The arguments that this search was asked for with, without those that only belong to this run."""
    words: list[str] = []
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name in _THIS_RUN:
            continue
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [text] if isinstance(parameter, click.Argument) else [parameter.opts[0], text]
    return tuple(words)


def _options(model: str, given: dict[str, Any], arguments: tuple[str, ...]) -> AnalysisOptions:
    minutes = given["minutes"]
    return AnalysisOptions(
        model=model,
        output=given["output"] or Path(f"analysis-{Path(model.partition('=')[0]).stem}"),
        goal=Goal(Objective(given["objective"]), given["p99_ms"], given["memory"], given["min_throughput"]),
        budget=Budget(given["budget"], None if minutes is None else minutes * 60),
        concurrencies=given["concurrency"],
        precisions=given["precisions"],
        space=given["space"],
        inputs=given["inputs"],
        rows=given["rows"],
        resume=given["resume"],
        seed=given["seed"],
        arguments=arguments,
    )


class _Lines:
    """One line for each step."""

    def __init__(self, console: Console, analysis: Analysis) -> None:
        self._console = console
        self._analysis = analysis

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def begin(self) -> None:
        analysis = self._analysis
        most = f"up to {analysis.budget.trials}" if analysis.budget.trials else "as many as the time allows"
        self.say(
            f"{analysis.entry.name}: {most} of {analysis.space.size} configurations on {analysis.machine.description}"
        )

    def on_progress(self, step: Progress) -> None:
        of = f"/{step.most}" if step.most else ""
        match step.step:
            case Step.BEGUN:
                name = "current config" if step.trial.current else str(step.trial.configuration)
                self._line(f"[bold]{step.trial.number}{of}[/] {escape(name)}")
            case Step.LEVEL if step.level is not None:
                level = step.level
                unstable = "" if level.stable else "  [yellow]unstable[/]"
                self._line(
                    f"   {level.concurrency:>4} in flight  {level.throughput:10,.1f}/s  p50 {level.p50_ms:8,.1f} ms  "
                    f"p99 {level.p99_ms:8,.1f} ms  {level.rss_bytes / (1 << 20):6,.0f} MiB{unstable}"
                )
            case Step.ENDED:
                self._ended(step)

    def _ended(self, step: Progress) -> None:
        if step.trial.failure:
            self._line(f"   [red]failed:[/] {escape(step.trial.failure)}")
        best = step.outcome.best
        if best is not None and best.level is not None and best.trial is step.trial:
            self._line(f"   [green]best so far[/] {best.level.throughput:,.1f}/s, p99 {best.level.p99_ms:,.1f} ms")


class _Quiet(_Lines):
    """Nothing but lines for programs."""

    def __init__(self, console: Console, analysis: Analysis, lines: ProgressLines) -> None:
        super().__init__(console, analysis)
        self._lines = lines

    def begin(self) -> None:
        return

    def say(self, text: str) -> None:
        del text

    def on_progress(self, step: Progress) -> None:
        self._lines.on_progress(step)


def _print(console: Console, analysis: Analysis, report: Report, applied: Applied | None) -> None:
    found = report.outcome
    console.print(f"\n{report.verdict()}", style="bold", markup=False)
    chosen: Configuration | None = found.best.trial.configuration if found.best is not None else None
    if chosen is not None and found.worth_applying:
        console.print(f"  {chosen}", markup=False)
    if applied is not None:
        console.print(applied.message, style="green" if applied.state is State.APPLIED else "yellow", markup=False)
    elif found.worth_applying:
        console.print(f"To apply: {report.command}", markup=False, soft_wrap=True)
    console.print(f"Report: {analysis.options.output / 'report.html'}", markup=False, soft_wrap=True)
