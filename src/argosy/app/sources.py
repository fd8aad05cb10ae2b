"""Wiring of what fetches models, and of what chooses how checkpoints run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from argosy.app.machine import this_machine
from argosy.app.profile_options import options
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.progress import Listener, quiet
from argosy.server.artifacts.kinds.chosen_profile import Choose, ChosenProfile, Substitute
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.places import cache_directory
from argosy.server.artifacts.source import Source
from argosy.server.probe.host import Host
from argosy.server.profiles import checkpoint, wish
from argosy.server.profiles.network_choice import choose_network
from argosy.server.profiles.substitute import substitute
from argosy.settings import Loaded
from argosy.store.entries import ModelEntry

log = logging.getLogger(__name__)


def source_models(
    loaded: Loaded,
    listener: Listener = quiet,
    host: Host | None = None,
    warn: Callable[[str], object] = log.warning,
) -> SourceModels:
    """Models from a hub, a web server or an archive, as the settings say, kept in their cache.

    Args:
        loaded: the settings.
        listener: told how far fetching is.
        host: the machine that is to serve them; None looks at this one when the first checkpoint asks for it.
        warn: told when another profile is served than the one that was chosen.
    """
    settings = loaded.settings
    fetching = FetchOptions(
        offline=settings.offline,
        token=settings.hub_token.reveal() if settings.hub_token is not None else "",
        endpoint=settings.hub_endpoint,
        parallel=settings.max_parallel_downloads,
    )
    place = cache_directory(settings.cache, loaded.environment)
    terms = checkpoint.Terms(options(settings), wish.parse(settings.model_profile))
    machine = cache(lambda: host or this_machine(settings))
    return SourceModels(place, fetching, listener, _chooser(machine, terms), _substitution(machine, terms, warn))


def _chooser(machine: Callable[[], Host], terms: checkpoint.Terms) -> Choose:
    def choose(source: Source, name: str, network: Path | None = None, /) -> ChosenProfile | None:
        if network is not None:
            return choose_network(machine(), network, name, terms)
        return checkpoint.choose(machine(), source, name, terms)

    return choose


def _substitution(machine: Callable[[], Host], terms: checkpoint.Terms, warn: Callable[[str], object]) -> Substitute:
    def instead(made: Sequence[ModelEntry], chosen: ChosenProfile | None, /) -> ModelEntry | None:
        found = substitute(machine(), made, chosen, terms)
        if found is None:
            return None
        entry, sentence = found
        warn(sentence)
        return entry

    return instead
