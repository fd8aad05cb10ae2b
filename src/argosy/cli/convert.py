"""`argosy convert`: from a trained model to a proven entry of the model store."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from argosy.app.conversion import (
    Found,
    build_conversion,
    conversion_interpreter,
    default_store,
    find_source,
    work_directory,
)
from argosy.cli.conversion_progress import ConversionProgress
from argosy.cli.download_progress import DownloadProgress
from argosy.cli.options import some_settings_flags
from argosy.cli.progress_lines import ProgressLines, progress_option
from argosy.conversion.events import Observe
from argosy.conversion.pipeline import Conversion, Converted
from argosy.conversion.plan import ConversionRequest
from argosy.conversion.profiles import AUTO, PRECISIONS, Target
from argosy.conversion.proof.verdict import Verdict
from argosy.conversion.report.report import Report
from argosy.server.artifacts.fetch.progress import Listener
from argosy.server.artifacts.fetch.progress import quiet as _quiet
from argosy.server.probe.host import probe, recommended_engine_threads
from argosy.settings import Loaded, load

_SIZES = {"": 1 << 30, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIGNALLED = 128
"""What shells add to the number of the signal that ended a command."""


class _Memory(click.ParamType[int]):
    """`8GiB`, `512M` or a number of GiB; bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is no size; write 8GiB or 512MiB.", param, ctx)
        return int(float(match[1]) * _SIZES[match[2].upper()])


@click.command("convert")
@click.argument("model")
@click.option("--output", type=click.Path(path_type=Path), help="Model store to write to. Default: the configured one.")
@click.option("--name", help="What the entry is called. Default: from the path.")
@click.option("--precision", type=click.Choice(PRECISIONS), default=AUTO, show_default=True,
              help="Profile to build; auto builds all that may win and takes the fastest that passes.")  # fmt: skip
@click.option("--engine", type=click.Choice([target.value for target in Target]), default=Target.OPENVINO.value,
              show_default=True, help="What the model is built for.")  # fmt: skip
@click.option("--max-batch", type=click.IntRange(1, 4096), default=32, show_default=True,
              help="tensorrt, onnxruntime: most rows in one execution.")  # fmt: skip
@click.option("--max-dimension", type=click.IntRange(1), help="tensorrt: most of any other open dimension of an input. "
              "Default: what the samples show.")  # fmt: skip
@click.option("--workspace", type=_Memory(), default=0, help="tensorrt: GPU memory that one layer may use for itself. "
              "Default: all there is.")  # fmt: skip
@click.option("--hardware-compatible", is_flag=True,
              help="tensorrt: the engine also runs on other GPUs, from Ampere on, more slowly.")  # fmt: skip
@click.option("--task", type=click.Choice(["embed", "rank", "classify", "generate", "tensor"]), default=None,
              help="What it is served as. Default: what the model says.")  # fmt: skip
@click.option("--calibration", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Samples: .txt or .jsonl with a text a line, .npz for models that take tensors.")  # fmt: skip
@click.option("--samples", type=click.IntRange(4, 10_000), default=128, show_default=True,
              help="Samples to read or make; half calibrate, half judge.")  # fmt: skip
@click.option("--memory", type=_Memory(), default="8GiB", show_default=True, help="Memory that one step may hold.")
@click.option("--timeout", type=click.FloatRange(1, 86_400), default=3600, show_default=True,
              help="Seconds that one step may take.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on after the steps that an earlier run finished.")
@click.option("--keep-work", is_flag=True, help="Keep the files of every step.")
@click.option("--replace", is_flag=True, help="Put the entry in place of one with its name.")
@click.option("--python", "interpreter", type=click.Path(path_type=Path), help="Python of the conversion environment.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder that the steps work in.")
@some_settings_flags("offline")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON for programs.")
@progress_option
@click.pass_context
def command(context: click.Context, /, model: str, as_json: bool, progress: str, **options: Any) -> None:
    """Convert MODEL, prove that it still says what the original says, and put it into a model store.

    MODEL is a Hugging Face folder with safetensors, an .onnx file, or a source of one: org/name or hf://org/name of the
    hub, https://...#sha256=...; what was fetched once is in the cache. Nothing of the model's own code is run. What is
    built is compared with the original by the engine that will serve it; what is not right enough is rejected, and the
    report says by how much.

    \b
    argosy convert ./my-encoder
    argosy convert ./my-classifier --precision int8 --calibration reviews.txt --name reviews
    argosy convert ./detector.onnx --output ./store --json
    argosy convert ./my-llama --resume --memory 24GiB
    argosy convert hf://org/name --name mine
    argosy convert ./detector.onnx --engine tensorrt --precision fp16 --max-batch 64
    argosy convert ./detector.onnx --engine onnxruntime
    """
    loaded = load({"cache": options.pop("cache"), "offline": options.pop("offline")})
    interpreter = options.pop("interpreter") or conversion_interpreter(loaded)
    console = Console(stderr=True, highlight=False)
    with _telling(console, quiet=as_json, lines=progress == "json") as told:
        request = _request(loaded, find_source(loaded, model, interpreter, told.on_fetch), options)
        converted = asyncio.run(_run(build_conversion(request, interpreter, told.on_event, loaded.environment)))
    if isinstance(converted, signal.Signals):
        again = f"argosy convert {model} --name {request.name} --resume"
        console.print(f"Ended by {converted.name}. Go on with: {again}", markup=False, soft_wrap=True)
        context.exit(_SIGNALLED + converted)
    if as_json:
        document = {"entry": str(converted.entry), **converted.report.to_mapping()}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    _print(converted, Console(highlight=False))


@dataclass(frozen=True, slots=True)
class _Told:
    """Who is told of downloads and of steps."""

    on_fetch: Listener
    on_event: Observe


@contextlib.contextmanager
def _telling(console: Console, *, quiet: bool, lines: bool) -> Iterator[_Told]:
    """Progress as it was asked for: lines for programs, bars and sentences for people, or nothing."""
    if lines:
        written = ProgressLines()
        with written.failures():
            yield _Told(written.on_fetch, written.on_event)
        return
    with DownloadProgress(console) as downloads, ConversionProgress(console, quiet=quiet) as steps:
        yield _Told(_quiet if quiet else downloads, steps.on_event)


def _request(loaded: Loaded, found: Found, options: dict[str, Any]) -> ConversionRequest:
    name = options["name"] or found.name()
    return ConversionRequest(
        source=found.path,
        name=name,
        store=options["output"] or default_store(loaded),
        work=work_directory(loaded, name),
        precision=options["precision"],
        target=Target(options["engine"]),
        task=options["task"] or "",
        calibration=options["calibration"],
        samples=options["samples"],
        memory=options["memory"],
        seconds=options["timeout"],
        threads=loaded.settings.engine_threads or recommended_engine_threads(probe(devices=False)),
        keep_work=options["keep_work"],
        resume=options["resume"],
        replace=options["replace"],
        max_batch=options["max_batch"],
        max_dimension=options["max_dimension"],
        workspace=options["workspace"],
        hardware_compatible=options["hardware_compatible"],
    )


async def _run(conversion: Conversion) -> Converted | signal.Signals:
    """The conversion, or the signal that ended it; its children are gone then."""
    running = asyncio.ensure_future(conversion.run())
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await running
    except asyncio.CancelledError:
        if not received:
            raise
        return received[0]


def _print(converted: Converted, console: Console) -> None:
    report = converted.report
    console.print(_table(report))
    for remark in report.remarks:
        console.print(remark, markup=False)
    console.print(f"\n{report.name} is in {converted.entry} as {report.chosen}.", markup=False, soft_wrap=True)
    console.print(f"  argosy serve {converted.entry}", markup=False, soft_wrap=True)
    console.print(f"  {converted.entry / 'report.html'}", markup=False, soft_wrap=True)


def _table(report: Report) -> Table:
    """Profiles as columns: there are few, and the figures' names are long."""
    table = Table(box=None, pad_edge=False)
    table.add_column("profile")
    for verdict in report.verdicts:
        name = f"[bold]{verdict.profile}[/] (chosen)" if verdict.profile == report.chosen else verdict.profile
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("outcome", *(_outcome(verdict) for verdict in report.verdicts))
    for figure in dict.fromkeys(name for verdict in report.verdicts for name in verdict.figures):
        table.add_row(figure, *(_number(verdict.figures.get(figure)) for verdict in report.verdicts))
    unit = next((verdict.unit for verdict in report.verdicts if verdict.speed), "rows/s")
    table.add_row(unit, *(f"{verdict.speed:,.1f}" if verdict.speed else "" for verdict in report.verdicts))
    table.add_row("MiB", *(f"{verdict.size / (1 << 20):.1f}" for verdict in report.verdicts))
    return table


def _outcome(verdict: Verdict) -> str:
    style = "green" if verdict.passed else "red"
    return f"[{style}]{verdict.outcome.value}[/]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
