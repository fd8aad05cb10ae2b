"""`argosy profiles`: every way to run a model, and why it can or cannot run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from argosy.app.machine import this_machine
from argosy.app.profile_options import options
from argosy.app.profiles import manifests
from argosy.cli.options import some_settings_flags
from argosy.server.probe.host import Host, read_host
from argosy.server.profiles import explain
from argosy.server.profiles.checkpoint import without_build
from argosy.server.profiles.document import selection_document
from argosy.server.profiles.nim_listing import listing
from argosy.server.profiles.select import Options, select
from argosy.server.profiles.verdict import Bucket, Selection
from argosy.server.profiles.wish import narrow, parse, unknown
from argosy.settings import load

_STYLES = {Bucket.COMPATIBLE: "green", Bucket.LOW_MEMORY: "yellow", Bucket.INCOMPATIBLE: "dim"}
_FLAGS = (
    "model_profile",
    "max_model_len",
    "gpu_memory_utilization",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "peft_source",
    "model_store",
    "cache",
    "tritonserver",
)
_HOST = click.option(
    "--host",
    "host_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON description of another machine, as argosy doctor --json prints it. Default: this machine.",
)
_MANIFEST = click.option(
    "-m",
    "--manifest-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A NIM model_manifest.yaml whose profiles are judged in place of the generated ones.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.command("profiles")
@click.argument("models", nargs=-1)
@_HOST
@_MANIFEST
@_JSON
@some_settings_flags(*_FLAGS)
def command(
    models: tuple[str, ...], host_file: Path | None, manifest_file: Path | None, *, as_json: bool, **flags: Any
) -> None:
    """Say for every way to run MODELS whether it can run here, with the reason and the memory it takes.

    MODEL is a name in the store, a path (a folder with nothing but a config.json is enough), or a source that argosy
    pull has fetched. Without one, every model in the store is meant. The best comes first, and what would be chosen is
    marked.

    \b
    argosy profiles all-minilm-l6-v2
    argosy profiles ./Llama-3.1-8B --host h100.json
    argosy profiles org/name
    argosy profiles ./Llama-3.1-8B --max-model-len 8192 --json
    argosy profiles -m model_manifest.yaml --host t4.json
    """
    host, selections = _judge(models, host_file, manifest_file, flags, devices=as_json)
    if as_json:
        document = {"host": host.to_mapping(), "models": [selection_document(item) for item in selections]}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    _print(host, selections, options(load(flags).settings), Console(highlight=False))


@click.command("list-model-profiles")
@click.argument("models", nargs=-1)
@_HOST
@_MANIFEST
@_JSON
@some_settings_flags(*_FLAGS)
def list_model_profiles(
    models: tuple[str, ...], host_file: Path | None, manifest_file: Path | None, *, as_json: bool, **flags: Any
) -> None:
    """Print the profiles of MODELS in the form of NIM's command of that name.

    \b
    argosy list-model-profiles all-minilm-l6-v2
    argosy list-model-profiles -m model_manifest.yaml
    """
    host, selections = _judge(models, host_file, manifest_file, flags, devices=as_json)
    if as_json:
        document = {"host": host.to_mapping(), "models": [selection_document(item) for item in selections]}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    for line in listing(host, selections):
        click.echo(line)


def _judge(
    models: tuple[str, ...], host_file: Path | None, manifest_file: Path | None, flags: dict[str, Any], *, devices: bool
) -> tuple[Host, tuple[Selection, ...]]:
    loaded = load({**flags, "models": models or None})
    settings = loaded.settings
    wish = parse(settings.model_profile)
    host = this_machine(settings, devices=devices) if host_file is None else read_host(host_file)
    found = manifests(loaded, models, manifest_file)
    narrowed = found if wish.automatic else tuple(item for m in found if len(item := narrow(m, wish)))
    if not narrowed and found:
        raise unknown(wish, found)
    return host, tuple(select(host, manifest, options(settings)) for manifest in narrowed)


def _print(host: Host, selections: tuple[Selection, ...], wanted: Options, console: Console) -> None:
    for line in explain.host_lines(host):
        console.print(line, markup=False, soft_wrap=True)
    for selection in selections:
        console.print(f"\n{selection.model}", style="bold", markup=False)
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for verdict in selection.verdicts:
            style = _STYLES[verdict.bucket]
            mark = "[green]➜[/]" if verdict is selection.chosen else ""
            word = f"[{style}]{explain.WORDS[verdict.bucket]}[/]"
            table.add_row(mark, word, escape(verdict.profile.name), escape(explain.reasons(verdict)))
        console.print(table)
        style = "green" if selection.chosen is not None else "bold red"
        console.print(explain.why(selection), style=style, markup=False, soft_wrap=True)
        if selection.chosen is not None and not selection.chosen.profile.built:
            found = without_build(selection, wanted)
            taken = found.profile.name if found is not None else "nothing"
            console.print(f"As the files are, argosy serve takes {taken}.", markup=False, soft_wrap=True)
