"""From the settings to which models are in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from argosy.core.errors import InvalidSetting
from argosy.core.memory import in_words
from argosy.runtime.contract import RuntimeProcess
from argosy.server.control.residency.eviction import EvictionOptions
from argosy.server.control.residency.footprint import estimate
from argosy.server.control.residency.leases import Leases
from argosy.server.control.residency.movement import Audience
from argosy.server.control.residency.residency import Residency, ResidencyOptions
from argosy.settings import Settings
from argosy.store.entries import ModelEntry


def choose(
    settings: Settings, entries: Sequence[ModelEntry], memory: int
) -> tuple[tuple[ModelEntry, ...], tuple[str, ...]]:
    """The models that can be served within the memory budget, and a sentence for each that cannot.

    Args:
        settings: what the operator says.
        entries: the models of the start.
        memory: bytes that this machine has.

    Raises:
        InvalidSetting: settings contradict one another, or what must be in memory together does not fit; has the
            numbers.
    """
    _check_together(settings)
    names = {entry.name for entry in entries}
    if strangers := sorted(set(settings.pinned) - names):
        raise InvalidSetting(
            f"--pinned names {', '.join(strangers)}, not among the models served: {', '.join(sorted(names))}."
        )
    budget = settings.memory_budget.of(memory)
    if not budget:
        return tuple(entries), ()
    sizes = {entry.name: _footprint(settings)(entry) for entry in entries}
    fitting = tuple(entry for entry in entries if sizes[entry.name] <= budget)
    if entries and not fitting:
        raise InvalidSetting(f"--memory-budget is {in_words(budget)}; no model fits: {_list(sizes)}.")
    _check_resident({entry.name: sizes[entry.name] for entry in at_start(settings, fitting)}, budget, settings)
    problems = tuple(
        f"{entry.name} needs {in_words(sizes[entry.name])} of memory; --memory-budget is {in_words(budget)}."
        for entry in entries
        if entry not in fitting
    )
    return fitting, problems


def at_start(settings: Settings, entries: Sequence[ModelEntry]) -> tuple[ModelEntry, ...]:
    """The models that are loaded before anybody asks for them."""
    if not settings.load_on_demand:
        return tuple(entries)
    pinned = set(settings.pinned)
    return tuple(entry for entry in entries if not pinned.isdisjoint({entry.name, entry.spec.parent}))


def build(
    settings: Settings, runtime: RuntimeProcess, audience: Audience, leases: Leases, memory: int
) -> Residency | None:
    """What keeps models in memory; None for a runtime whose memory is not ours.

    Args:
        settings: what the operator says.
        runtime: loads and unloads.
        audience: the gateway workers.
        leases: what they do.
        memory: bytes that this machine has.
    """
    if settings.triton_url:
        return None
    options = ResidencyOptions(
        on_demand=settings.load_on_demand,
        pinned=frozenset(settings.pinned),
        policy=EvictionOptions(settings.memory_budget.of(memory), settings.idle_timeout),
        wait=settings.load_queue_timeout,
    )
    return Residency(runtime, audience, leases, options, footprint=_footprint(settings))


def _footprint(settings: Settings) -> Callable[[ModelEntry], int]:
    return partial(estimate, instances=settings.instances, kv_cache_gib=settings.kv_cache_gib)


def _check_together(settings: Settings) -> None:
    wanting = [
        flag
        for flag, given in (("--idle-timeout", settings.idle_timeout), ("--pinned", settings.pinned))
        if given and not settings.load_on_demand
    ]
    if wanting:
        raise InvalidSetting(
            f"{' and '.join(wanting)} need --load-on-demand: without it every model stays in memory, and one that left "
            "would not come back."
        )
    if settings.triton_url and (settings.load_on_demand or settings.memory_budget):
        raise InvalidSetting(
            "--load-on-demand and --memory-budget need a Triton of our own: leave out them or --triton-url."
        )


def _check_resident(sizes: dict[str, int], budget: int, settings: Settings) -> None:
    """What is never evicted must fit by itself."""
    if sum(sizes.values()) <= budget:
        return
    remedy = "Pin fewer models" if settings.load_on_demand else "Serve fewer models, say --load-on-demand"
    raise InvalidSetting(
        f"--memory-budget is {in_words(budget)}, and the models that stay in memory need "
        f"{in_words(sum(sizes.values()))}: {_list(sizes)}. {remedy}, or raise the budget."
    )


def _list(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} {in_words(size)}" for name, size in sizes.items())
