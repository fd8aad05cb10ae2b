"""The profiles of the models that a command names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from argosy.app.sources import source_models
from argosy.core.errors import NotCached
from argosy.server.artifacts.places import model_stores
from argosy.server.artifacts.reference import parse_reference
from argosy.server.artifacts.resolve import survey
from argosy.server.profiles.find import facts_of, find
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.nim_manifest import read_manifest
from argosy.settings import Loaded


def manifests(loaded: Loaded, models: tuple[str, ...], file: Path | None) -> tuple[Manifest, ...]:
    """The manifests of the models that a command names, every model of the stores when it names none.

    Args:
        loaded: the settings; they say where the stores and the cache are.
        models: names, paths, or sources that are in the cache.
        file: a manifest file, which speaks for the one model named, or by itself.

    Raises:
        ConfigurationError: a model or the file cannot be read.
    """
    settings = loaded.settings
    stores = model_stores(settings.model_store)
    if file is not None:
        facts = facts_of(*_place(loaded, models[0])) if models else None
        return (read_manifest(file, facts),)
    names = models or settings.models or tuple(entry.name for entry in survey(stores).entries)
    return tuple(find(*_place(loaded, name)) for name in names)


def _place(loaded: Loaded, model: str) -> tuple[str, tuple[Path, ...], str | None]:
    """Where a model's files are, the stores, and what it is called when its place does not say."""
    stores = model_stores(loaded.settings.model_store)
    known = Path(model).expanduser().exists() or any((store / model).exists() for store in stores)
    reference = None if known else parse_reference(model)
    if reference is None:
        return model, stores, None
    # To be judged is no reason to be fetched: weights can be a hundred gigabytes.
    offline = replace(loaded, settings=replace(loaded.settings, offline=True))
    try:
        return str(source_models(offline).fetch(reference).model), stores, reference.name
    except NotCached:
        raise NotCached(
            f"{model} is not here. Fetch it: argosy pull {model}. Or name a folder with nothing but its config.json."
        ) from None
