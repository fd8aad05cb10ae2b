"""`argosy create-model-store`: a source as an entry of a model store that needs no cache."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from argosy.app.sources import source_models
from argosy.cli.options import some_settings_flags
from argosy.cli.pull import FLAGS, Pulled, progress, report
from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.server.artifacts.reference import parse_reference
from argosy.server.artifacts.resolve import split_name
from argosy.server.profiles.sources.entry import profile_of
from argosy.settings import load


@click.command("create-model-store")
@click.option("--model-repo", help="What to fetch, such as hf://org/name; default: the configured model.")
@click.option(
    "--model-store", "-m", "store", required=True, type=click.Path(path_type=Path), help="Folder to write to."
)
@click.option("--profile", "-p", default="", help="Id or name of the profile that the model must have.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs, one object a line.")
@some_settings_flags(*(name for name in FLAGS if name != "model_store"))
def command(model_repo: str | None, store: Path, profile: str, as_json: bool, **flags: Any) -> None:
    """Write a model store entry that holds all its files itself, to be copied or mounted anywhere.

    An entry of that name that is there already is left alone, and that is an error.

    \b
    argosy create-model-store --model-repo hf://BAAI/bge-small-en-v1.5 --model-store ./store
    argosy serve --model-store ./store
    """
    loaded = load(flags)
    argument = model_repo or next(iter(loaded.settings.models), "")
    name, model = split_name(argument)
    reference = parse_reference(model)
    if reference is None:
        raise InvalidModelEntry(f"{argument!r} is nothing to fetch. Give --model-repo hf://org/name or https://….")
    with ExitStack() as stack:
        console, listener = progress(stack, as_json=as_json)
        sources = source_models(loaded, listener)
        if profile and profile not in {(found := profile_of(sources.planned(reference, name))).id, found.name}:
            raise ConfigurationError(f"{argument} has the profile {found.id} ({found.name}), not {profile}.")
        entry = sources.export(reference, store, name)
        size = sum(path.stat().st_size for path in entry.directory.rglob("*") if path.is_file())
        remark = f"Serve it with: argosy serve {entry.name} --model-store {store}"
        report(Pulled(argument, entry, size, entry.spec.license, remark=remark), console, as_json=as_json)
