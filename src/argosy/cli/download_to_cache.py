"""`argosy download-to-cache`: what a NIM container calls filling its cache."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from argosy.app.sources import source_models
from argosy.cli.options import some_settings_flags
from argosy.cli.pull import FLAGS, Pulled, progress, pull, report
from argosy.core.errors import ConfigurationError
from argosy.engines import registry
from argosy.engines.contract import Feature
from argosy.server.profiles.sources.entry import profile_of
from argosy.settings import load


@click.command("download-to-cache")
@click.option("--model-uri", "uris", multiple=True, help="What to fetch, such as hf://org/name; may be given again.")
@click.option("--profiles", "-p", "profiles", multiple=True, help="Ids or names of profiles that the models must have.")
@click.option("--all", "everything", is_flag=True, help="Every configured model; the same as without a choice.")
@click.option("--lora", is_flag=True, help="Models that LoRA adapters can be served on; others are an error.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs, one object a line.")
@some_settings_flags(*FLAGS)
def command(
    uris: tuple[str, ...], profiles: tuple[str, ...], everything: bool, lora: bool, as_json: bool, **flags: Any
) -> None:
    """Fetch the configured models (ARGOSY_MODELS, NIM_MODEL_NAME), or those of --model-uri, into the cache.

    A source has one profile, that of the files it holds; --profiles and --lora make sure that it is the one wanted.

    \b
    argosy download-to-cache --model-uri hf://BAAI/bge-small-en-v1.5
    NIM_MODEL_NAME=BAAI/bge-small-en-v1.5 argosy download-to-cache --all
    """
    del everything
    loaded = load(flags)
    models = uris or loaded.settings.models
    if not models:
        raise ConfigurationError("No model is configured. Give --model-uri hf://org/name, or set NIM_MODEL_NAME.")
    with ExitStack() as stack:
        console, listener = progress(stack, as_json=as_json)
        sources = source_models(loaded, listener)
        wanted = {profile for group in profiles for profile in group.replace(",", " ").split()}
        for model in models:
            pulled = pull(loaded, sources, model)
            _check(pulled, wanted, lora=lora)
            report(pulled, console, as_json=as_json)


def _check(pulled: Pulled, wanted: set[str], *, lora: bool) -> None:
    if pulled.entry is None:
        return
    spec = pulled.entry.spec
    profile = profile_of(spec)
    if wanted and not wanted & {profile.id, profile.name}:
        raise ConfigurationError(
            f"{pulled.argument} has the profile {profile.id} ({profile.name}), which is not among those asked for."
        )
    if lora and Feature.ADAPTER not in registry.features(spec.engine):
        raise ConfigurationError(f"{pulled.argument} runs on {spec.engine}, which serves no LoRA adapters.")
