"""`argosy pull`: fetch models into the cache, so that they are served without a network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console

from argosy.app.sources import source_models
from argosy.cli.download_progress import DownloadProgress, JsonProgress
from argosy.cli.options import some_settings_flags
from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.fetch.progress import Listener
from argosy.server.artifacts.models import SourceModels, convert_command
from argosy.server.artifacts.places import cache_directory, model_stores
from argosy.server.artifacts.reference import Reference, parse_reference
from argosy.server.artifacts.resolve import resolve, split_name
from argosy.settings import Loaded, load
from argosy.store.entries import ModelEntry

FLAGS = ("cache", "model_store", "offline", "hub_endpoint", "max_parallel_downloads")


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of one MODEL.

    Attributes:
        argument: what `argosy serve` takes to serve it.
        entry: what is served of it; None for weights that have to be converted first.
        size: bytes fetched or found in the cache; 0 for what was here already.
        remark: what to do next, or empty.
    """

    argument: str
    entry: ModelEntry | None
    size: int = 0
    license: str = ""
    version: str = ""
    remark: str = ""


@click.command("pull")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--sha256", default="", help="SHA-256 of the file, for an https:// MODEL that does not carry it.")
@click.option("--verify", is_flag=True, help="Fetch nothing: read everything the cache has of MODEL and check it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs, one object a line.")
@some_settings_flags(*FLAGS)
def command(models: tuple[str, ...], sha256: str, verify: bool, as_json: bool, **flags: Any) -> None:
    """Fetch MODEL into the cache, check it, and make what `argosy serve MODEL --offline` serves.

    MODEL is org/name[@revision] of the Hugging Face hub, hf://org/name[@revision][/file], https://host/file#sha256=HEX,
    or one of these with name= before it. Only the files that serving needs are fetched, never a pickle or Python code.
    A download that was cut off is continued. Pulling again looks for a newer revision and repairs what is damaged.

    \b
    argosy pull BAAI/bge-small-en-v1.5
    argosy pull hf://org/name-GGUF@main/name-Q8_0.gguf
    argosy pull tiny=https://example.org/tiny.onnx --sha256 9f86d081...
    argosy pull BAAI/bge-small-en-v1.5 --verify
    HF_TOKEN=hf_... argosy pull org/gated-model
    """
    loaded = load(flags)
    with ExitStack() as stack:
        console, listener = progress(stack, as_json=as_json)
        sources = source_models(loaded, listener)
        for argument in models:
            pulled = _verify(sources, argument, sha256) if verify else pull(loaded, sources, argument, sha256)
            report(pulled, console, as_json=as_json)


def pull(loaded: Loaded, sources: SourceModels, argument: str, sha256: str = "") -> Pulled:
    """Fetch one MODEL and build its entry; what is here already only gets its entry.

    Raises:
        ConfigurationError: it cannot be had or served; the message has the remedy.
    """
    name, reference = _reference(argument, sha256)
    if reference is None:
        cache = cache_directory(loaded.settings.cache, loaded.environment)
        selection = resolve([argument], model_stores(loaded.settings.model_store), cache, sources)
        return Pulled(argument, selection.entries[0], remark="It was here already.")
    fetched = sources.fetch(reference, refresh=True)
    manifest = fetched.manifest
    try:
        entry = sources.build(fetched, name or reference.name, refresh=True)
    except InvalidModelEntry as error:
        if not manifest.weights_only:
            raise
        # They are whole, for whoever converts them, or has an engine for them elsewhere.
        command = convert_command(fetched, name or reference.name)
        remark = error.message if command in error.message else f"{error.message} To convert it, run: {command}"
        return Pulled(argument, None, manifest.size, manifest.license, manifest.version, remark)
    served = f"{name}={reference}" if name else str(reference)
    return Pulled(served, entry, manifest.size, entry.spec.license, manifest.version)


def report(pulled: Pulled, console: Console, *, as_json: bool) -> None:
    """Say what became of one MODEL."""
    entry = pulled.entry
    if as_json:
        document = {
            "event": "done",
            "argument": pulled.argument,
            "model": entry.name if entry else None,
            "directory": str(entry.directory) if entry else None,
            "bytes": pulled.size,
            "license": pulled.license,
            "version": pulled.version,
            "message": pulled.remark,
        }
        click.echo(orjson.dumps(document))
        return
    facts = [f"{pulled.size / (1 << 20):.1f} MiB" if pulled.size else "", pulled.license, pulled.version[:12]]
    known = ", ".join(fact for fact in facts if fact)
    state = "whole" if entry is None else "ready"
    console.print(f"{entry.name if entry else pulled.argument}: {state}{f' ({known})' if known else ''}", markup=False)
    if pulled.remark:
        console.print(f"  {pulled.remark}", markup=False, soft_wrap=True)
    elif entry is not None:
        console.print(f"  argosy serve {pulled.argument} --offline", markup=False, soft_wrap=True)


def _verify(sources: SourceModels, argument: str, sha256: str) -> Pulled:
    _, model = split_name(argument)
    reference = parse_reference(model, sha256)
    if reference is None:
        raise InvalidModelEntry(f"{argument} is nothing that was fetched; name it as it was named to argosy pull.")
    manifest = sources.verify(reference)
    return Pulled(argument, None, manifest.size, manifest.license, manifest.version, "Every file is as it was fetched.")


def _reference(argument: str, sha256: str) -> tuple[str | None, Reference | None]:
    """What is to be fetched; None for a name in a store or a path, which win over a repository of that name."""
    name, model = split_name(argument)
    if Path(model).expanduser().exists():
        return name, None
    return name, parse_reference(model, sha256)


def progress(stack: ExitStack, *, as_json: bool) -> tuple[Console, Listener]:
    """Where to write, and what shows how far fetching is until the stack ends."""
    console = Console(highlight=False)
    listener: Callable[..., None] = JsonProgress() if as_json else stack.enter_context(DownloadProgress(console))
    return console, listener
