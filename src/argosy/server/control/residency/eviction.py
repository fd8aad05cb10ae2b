"""What to do next about the models in memory: a pure decision on values.

Models that requests wait for are loaded in the order in which they were first asked for. Room is made by evicting,
least recently used first, models that nobody uses; when every model is in use, the one that has been in memory
longest is asked to finish what it has. A model that was loaded is left alone for a moment, so that it answers what
waited for it: that is what keeps two models that want the same room from evicting each other without end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from argosy.core.memory import in_words
from argosy.core.residency import EvictionReason


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory.

    Attributes:
        size: bytes it counts for.
        active: requests under way in all workers.
        idle: seconds since its last request ended, or since it was loaded; 0 while there is one.
        age: seconds since it was loaded.
        pinned: it is never evicted.
        held: it is not to be asked to leave now, because it could not a moment ago.
        parent: the model it is an adapter of; an adapter goes when its parent does.
    """

    name: str
    size: int
    active: int = 0
    idle: float = 0.0
    age: float = 0.0
    pinned: bool = False
    held: bool = False
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model that requests wait for.

    Attributes:
        size: bytes it will count for.
        pinned: its room is kept for it.
    """

    name: str
    size: int
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class EvictionOptions:
    """The numbers of the policy.

    Attributes:
        budget: bytes for all models together; 0 means any number.
        idle_timeout: seconds without a request after which a model goes; 0 means never.
        quantum: seconds that a model in use has before it is asked to make room.
    """

    budget: int = 0
    idle_timeout: float = 0.0
    quantum: float = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """There is room for this model."""

    name: str


@dataclass(frozen=True, slots=True)
class Evict:
    """Take these models, a base and its adapters, out of memory together."""

    names: tuple[str, ...]
    reason: EvictionReason


@dataclass(frozen=True, slots=True)
class Refuse:
    """No eviction could ever make room for this model; `reason` has the numbers."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done now; look again at the next change, and after `seconds` at the latest."""

    seconds: float = math.inf


Action = Load | Evict | Refuse | Wait


def decide(residents: Sequence[Resident], wanted: Sequence[Wanted], options: EvictionOptions) -> Action:
    """The next thing to do.

    Args:
        residents: every model in memory.
        wanted: models not in memory that requests wait for, the one first asked for first.
        options: budget and times.

    Guarantees: loading as told never goes over the budget; no pinned and no held model is evicted; every wanted model
    is loaded or refused in the end, provided that requests end.
    """
    groups = _groups(residents)
    if options.budget and sum(resident.size for resident in residents) > options.budget:
        grown = _least_used(groups) or _oldest(groups, options.quantum)
        if grown is not None:
            return Evict(grown.names, EvictionReason.GROWTH)
    for want in wanted:
        if (reason := refusal(residents, wanted, want, options.budget)) is not None:
            return Refuse(want.name, reason)
    return _admit(residents, groups, wanted, options) if wanted else _expire(groups, options.idle_timeout)


def refusal(residents: Sequence[Resident], wanted: Sequence[Wanted], want: Wanted, budget: int) -> str | None:
    """Why no eviction could ever make room for `want`, with the numbers; None when one could."""
    if not budget:
        return None
    if want.size > budget:
        return f"it needs {in_words(want.size)} and the memory budget is {in_words(budget)}"
    pinned = {resident.name: resident.size for resident in residents if resident.pinned}
    pinned |= {other.name: other.size for other in wanted if other.pinned and other.name != want.name}
    if want.size + sum(pinned.values()) <= budget:
        return None
    return (
        f"it needs {in_words(want.size)}; of the memory budget of {in_words(budget)}, "
        f"{in_words(sum(pinned.values()))} are taken by pinned models ({', '.join(sorted(pinned))})"
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """A model and the adapters of it that are in memory."""

    names: tuple[str, ...]
    active: int
    idle: float
    age: float


def _groups(residents: Sequence[Resident]) -> list[_Group]:
    """Everything that could be evicted together: an adapter by itself, a base with its adapters."""
    groups = []
    for resident in residents:
        members = [resident, *(other for other in residents if other.parent == resident.name)]
        if not any(member.pinned or member.held for member in members):
            groups.append(
                _Group(
                    tuple(member.name for member in members),
                    sum(member.active for member in members),
                    min(member.idle for member in members),
                    min(member.age for member in members),
                )
            )
    return groups


def _admit(
    residents: Sequence[Resident], groups: Sequence[_Group], wanted: Sequence[Wanted], options: EvictionOptions
) -> Action:
    """Load the first that fits; else make room for the very first."""
    free = options.budget - sum(resident.size for resident in residents) if options.budget else math.inf
    if wanted[0].size <= free:
        return Load(wanted[0].name)
    victim = _least_used(groups) or _oldest(groups, options.quantum)
    if victim is not None:
        return Evict(victim.names, EvictionReason.ROOM)
    # Nothing leaves just now: whoever fits beside what is there need not wait for it.
    small = next((want for want in wanted[1:] if want.size <= free), None)
    if small is not None:
        return Load(small.name)
    return Wait(min((options.quantum - group.age for group in groups), default=math.inf))


def _least_used(groups: Iterable[_Group]) -> _Group | None:
    return max((group for group in groups if not group.active), key=lambda group: group.idle, default=None)


def _oldest(groups: Iterable[_Group], quantum: float) -> _Group | None:
    return max((group for group in groups if group.age >= quantum), key=lambda group: group.age, default=None)


def _expire(groups: Sequence[_Group], timeout: float) -> Action:
    stale = _least_used(groups)
    if timeout and stale is not None and stale.idle >= timeout:
        return Evict(stale.names, EvictionReason.IDLE)
    return Wait(_next_idle(groups, timeout))


def _next_idle(groups: Iterable[_Group], timeout: float) -> float:
    """Seconds until a model that nobody uses has been idle for long enough."""
    if not timeout:
        return math.inf
    return max(0.0, min((timeout - group.idle for group in groups if not group.active), default=math.inf))
