"""Wiring of what fetches models."""

from __future__ import annotations

from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.progress import Listener, quiet
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.places import cache_directory
from argosy.settings import Loaded


def source_models(loaded: Loaded, listener: Listener = quiet) -> SourceModels:
    """Models from a hub, a web server or an archive, as the settings say, kept in their cache."""
    settings = loaded.settings
    options = FetchOptions(
        offline=settings.offline,
        token=settings.hub_token.reveal() if settings.hub_token is not None else "",
        endpoint=settings.hub_endpoint,
        parallel=settings.max_parallel_downloads,
    )
    return SourceModels(cache_directory(settings.cache, loaded.environment), options, listener)
