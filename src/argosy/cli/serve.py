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
from argosy.cli.options import settings_flags
from argosy.cli.startup_report import StartupReport
from argosy.server.control.service import Service
from argosy.settings import load

log = logging.getLogger(__name__)


@click.command()
@click.argument("models", nargs=-1)
@settings_flags
def command(models: tuple[str, ...], **flags: Any) -> None:
    """Serve MODELS, or every model in the store when none is named.

    MODEL is a name in the store, a path, or name=path. A path may be a .gguf file, a .onnx file, an OpenVINO network
    or language model, or a Hugging Face encoder folder with an ONNX or OpenVINO file.

    \b
    argosy serve
    argosy serve all-minilm-l6-v2 abacus --port 9000
    argosy serve mine=./path/to/model.gguf
    argosy serve --host 0.0.0.0 --api-keys-file keys.txt
    """
    loaded = load({**flags, "models": models or None})
    console = Console(stderr=False, highlight=False)
    for warning in loaded.warnings:
        console.print(f"[yellow]warning:[/] {warning}")
    chosen = plan(loaded)
    uvloop.run(_serve(chosen, console))


async def _serve(chosen: Plan, console: Console) -> None:
    report = StartupReport(
        console, chosen.entries, chosen.problems, chosen.url, secured=chosen.secured, grpc=chosen.grpc_address
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
