"""What a profile asks for, each against what a machine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.probe.host import Host
from argosy.server.probe.software import CPU, CUDA
from argosy.server.profiles.engines import KINDS, VLLM_FOR_CPU, EngineKind
from argosy.server.profiles.gpu_match import matches, short_name
from argosy.server.profiles.memory import Demand, demand, gib
from argosy.server.profiles.overhead import HOST_RESERVE
from argosy.server.profiles.profile import Device, Profile, Requirements
from argosy.server.profiles.units import Unit, units
from argosy.server.profiles.verdict import Lack, Reason

_DEVICES = {Device.GPU: CUDA, Device.CPU: CPU}
_EITHER = {"precision": "weights"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where on a machine a profile would go.

    Attributes:
        reasons: why there is no such place.
        demand: its memory on the fullest of its GPUs; None without a place, or when nobody knows what it takes.
    """

    reasons: tuple[Reason, ...] = ()
    demand: Demand | None = None
    gpus: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def engine_reasons(host: Host, profile: Profile) -> list[Reason]:
    """Whether the profile's engine is there, in a build for its device."""
    needs = profile.needs
    kind = KINDS.get(needs.engine)
    if kind is None:
        return [
            Reason(Lack.ENGINE, f"the engine {needs.engine}", f"none like it in Argosy ({', '.join(sorted(KINDS))})")
        ]
    if kind.backend:
        return _backend_reasons(host, kind)
    return _package_reasons(host, needs, kind) if kind.package else []


def feature_reasons(host: Host, profile: Profile) -> list[Reason]:
    """Whether the processor has the instructions; only profiles for processors ask for any."""
    missing = sorted(profile.needs.features - host.features)
    if not missing:
        return []
    has = ", ".join(sorted(host.features)) or "no vector extensions"
    return [Reason(Lack.FEATURE, f"a processor with {', '.join(missing)}", has)]


def wish_reasons(profile: Profile, wanted: Mapping[str, str]) -> list[Reason]:
    """Whether the tags are those that were asked for."""
    reasons = []
    for key, value in wanted.items():
        if not has_tag(profile, key, value):
            has = f"{key}={profile.tags[key]}" if key in profile.tags else f"no {key}"
            reasons.append(Reason(Lack.WISH, f"{key}={value}, which was asked for", has))
    return reasons


def has_tag(profile: Profile | ChosenProfile, key: str, value: str) -> bool:
    """Whether a tag has a value, in any spelling of case; a model built with int8 weights also is `precision=int8`."""
    found = {profile.tags.get(key, "").lower(), profile.tags.get(_EITHER.get(key, key), "").lower()}
    return value.lower() in found


def cpu_memory(host: Host, needs: Requirements, tokens: int, batch: int) -> Demand | None:
    """The memory that a profile takes beside Triton and the gateway; None when one side of the sum is not known."""
    if needs.footprint is None or not host.memory:
        return None
    usable = max(0, host.memory - HOST_RESERVE)
    return demand(needs.footprint, usable=usable, total=host.memory, tokens=tokens, batch=batch)


def gpu_place(host: Host, needs: Requirements, tokens: int, batch: int, fraction: float) -> Place:
    """The GPUs that a profile would take: of one model, those with the most room.

    Args:
        host: the machine.
        needs: of the profile.
        tokens: length of context.
        batch: contexts of that length at once.
        fraction: share of each GPU's memory that may be taken.
    """
    present = units(host)
    if not present:
        remedy = host.gpu_problem
        return Place((Reason(Lack.COUNT, _count(needs.gpus), "none", remedy),))
    gpu = needs.gpu
    fitting = [unit for unit in present if gpu is None or matches(gpu, unit)]
    if gpu is not None and not fitting:
        return Place((Reason(Lack.GPU, f"a GPU {gpu.label}", _names(present)),))
    able = [unit for unit in fitting if unit.capability is None or unit.capability >= needs.capability]
    reasons = []
    if not able:
        best = max(unit.capability or (0, 0) for unit in fitting)
        wanted = "compute capability {}.{}".format(*needs.capability)
        reasons.append(Reason(Lack.CAPABILITY, wanted, "{}.{}".format(*best)))
    group = _group(able or fitting, needs.gpus, fraction)
    if len(group) < needs.gpus:
        reasons.append(_too_few(needs.gpus, able or fitting))
        return Place(tuple(reasons))
    if reasons:
        return Place(tuple(reasons))
    return _measure(group, needs, tokens, batch, fraction)


def usable(unit: Unit, fraction: float) -> int:
    """Bytes that may be taken of a GPU: its share, and no more than nobody uses."""
    return min(int(unit.memory * fraction), unit.free)


def _package_reasons(host: Host, needs: Requirements, kind: EngineKind) -> list[Reason]:
    engine = host.engine(kind.package)
    for_cpu = VLLM_FOR_CPU if needs.engine == "vllm" and needs.device is Device.CPU else ""
    if engine is None:
        return [Reason(Lack.ENGINE, needs.engine, "none", for_cpu or kind.remedy)]
    if _DEVICES[needs.device] not in engine.devices:
        built = " and ".join(engine.devices) or "nothing"
        what = f"{needs.engine} built for {_DEVICES[needs.device]}"
        return [Reason(Lack.ENGINE, what, f"{engine.version} built for {built}", for_cpu)]
    if engine.missing:
        return [Reason(Lack.ENGINE, ", ".join(engine.missing), "none", for_cpu or kind.remedy)]
    return []


def _backend_reasons(host: Host, kind: EngineKind) -> list[Reason]:
    held = host.triton.backends if host.triton is not None else ()
    if kind.backend in held:
        return []
    has = ", ".join(held) or "none" if host.triton is not None else "no Triton"
    return [Reason(Lack.ENGINE, f"Triton's backend {kind.backend}", has, kind.remedy)]


def _group(found: list[Unit], count: int, fraction: float) -> list[Unit]:
    """The `count` roomiest of the GPUs of one model; fewer when there are not so many."""
    if count == 1:
        return sorted(found, key=lambda unit: (-usable(unit, fraction), unit.number))[:1]
    groups: dict[str, list[Unit]] = {}
    for unit in found:
        if unit.joins:
            groups.setdefault(unit.name, []).append(unit)
    chosen = [
        sorted(group, key=lambda unit: (-usable(unit, fraction), unit.number))[:count] for group in groups.values()
    ]
    # The group whose fullest member has the most room.
    return max(chosen, key=lambda group: (len(group), usable(group[-1], fraction)), default=[])


def _too_few(count: int, found: list[Unit]) -> Reason:
    joining = [unit for unit in found if unit.joins]
    if found and not joining:
        return Reason(
            Lack.COUNT, f"{count} whole GPUs", f"{_number(found, 'MIG instance')}, which cannot work together"
        )
    one_model = max((sum(unit.name == other.name for other in joining) for unit in joining), default=0)
    has = f"{one_model} of a model" if one_model < len(joining) else str(len(joining))
    return Reason(Lack.COUNT, _count(count), has)


def _measure(group: list[Unit], needs: Requirements, tokens: int, batch: int, fraction: float) -> Place:
    numbers = tuple(sorted(unit.number for unit in group))
    if needs.footprint is None:
        return Place(gpus=numbers, notes=("its memory is not stated, so it was not checked",))
    # Even what one GPU of the group cannot tell makes the sum unknown.
    fullest = min(group, key=lambda unit: usable(unit, fraction))
    found = demand(
        needs.footprint,
        usable=usable(fullest, fraction),
        total=fullest.memory,
        tokens=tokens,
        batch=batch,
        tp=needs.tp,
        pp=needs.pp,
    )
    if not fullest.memory:
        why = "an amount that the driver does not tell"
        return Place((Reason(Lack.MEMORY, f"{gib(found.needed)} GiB of GPU memory", why),), gpus=numbers)
    return Place(demand=found, gpus=numbers)


def _names(present: tuple[Unit, ...]) -> str:
    return ", ".join(sorted({short_name(unit.name, unit.memory) for unit in present}))


def _count(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _number(found: list[Unit], noun: str) -> str:
    return f"1 {noun}" if len(found) == 1 else f"{len(found)} {noun}s"
