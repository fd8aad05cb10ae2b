"""`argosy serve`: start everything, say what is served, stay until told to leave."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

import click
import uvloop
from rich.console import Console

from argosy.app.supervisor import Plan, build_service, plan
from argosy.cli.config import print_configuration
from argosy.cli.download_progress import DownloadProgress
from argosy.cli.options import settings_flags
from argosy.cli.startup_report import StartupReport
from argosy.server.control.service import Service
from argosy.server.profiles import serving
from argosy.settings import load

log = logging.getLogger(__name__)


@click.command()
@click.argument("models", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Say what would be served, with which profile and why, and leave.")
@settings_flags
def command(models: tuple[str, ...], *, dry_run: bool, **flags: Any) -> None:
    """Serve MODELS, or every model in the store when none is named.

    MODEL is a name in the store, a path, a source to fetch, or name= before one of these. A path may be a .gguf file, a
    .onnx file, an OpenVINO network or language model, a TensorFlow SavedModel, a Hugging Face encoder folder with an
    ONNX or OpenVINO file, a Hugging Face checkpoint (safetensors) where vLLM or torch is installed, or an archive of
    one of these. A source is org/name of the Hugging Face hub, hf://org/name/file, or https://...#sha256=...; what was
    fetched once is served without a network from then on.

    \b
    argosy serve
    argosy serve all-minilm-l6-v2 abacus --port 9000
    argosy serve mine=./path/to/model.gguf
    argosy serve hf://org/name/model-Q8_0.gguf
    argosy serve ./Llama-3.2-1B-Instruct --model-profile engine=vllm
    argosy serve --host 0.0.0.0 --api-keys-file keys.txt
    argosy serve ./my-model.gguf --dry-run
    """
    loaded = load({**flags, "models": models or None})
    console = Console(stderr=False, highlight=False)
    if loaded.settings.show_config:
        print_configuration(console, loaded)
        return
    for warning in loaded.warnings:
        console.print(f"[yellow]warning:[/] {warning}")
    with DownloadProgress(console) as progress:
        chosen = plan(loaded, progress)
    for warning in chosen.warnings:
        console.print(f"[yellow]warning:[/] {warning}")
    if dry_run:
        _tell(chosen, console)
        return
    if not console.is_terminal:
        # For those who read logs by program. People see the table, and --dry-run tells them the rest.
        for line in serving.start_lines(chosen.choices.served):
            console.print(line, markup=False, soft_wrap=True)
    uvloop.run(_serve(chosen, console))


def _tell(chosen: Plan, console: Console) -> None:
    for problem in chosen.problems:
        console.print(f"left out: {problem}", style="yellow", markup=False, soft_wrap=True)
    for line in serving.dry_run_lines(chosen.host, chosen.choices):
        console.print(line, markup=False, soft_wrap=True)


async def _serve(chosen: Plan, console: Console) -> None:
    report = StartupReport(
        console,
        chosen.entries,
        chosen.problems,
        chosen.url,
        secured=chosen.secured,
        grpc=chosen.grpc_address,
        on_demand=chosen.settings.load_on_demand,
    )
    with build_service(chosen) as service:
        ended = _end_on_signals(service, report)
        service.subscribe(report.on_status)
        report.begin()
        await service.run(ended, started=report.finish)
    report.goodbye()


def _end_on_signals(service: Service, report: StartupReport) -> asyncio.Event:
    """An event that the first TERM or INT sets; the next one hurries the drain."""
    ended = asyncio.Event()

    def leave() -> None:
        if ended.is_set():
            service.hurry()
            return
        report.leaving()
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    return ended
