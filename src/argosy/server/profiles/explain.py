"""Verdicts in words."""

from __future__ import annotations

from collections.abc import Iterator

from argosy.server.probe.host import Host
from argosy.server.profiles.gpu_match import short_name
from argosy.server.profiles.memory import gib
from argosy.server.profiles.profile import Device
from argosy.server.profiles.units import units
from argosy.server.profiles.verdict import Bucket, Selection, Verdict

WORDS = {
    Bucket.COMPATIBLE: "compatible",
    Bucket.LOW_MEMORY: "low memory",
    Bucket.INCOMPATIBLE: "incompatible",
}


def reasons(verdict: Verdict) -> str:
    """Why a profile cannot run as it is, or what it takes of the machine when it can."""
    if verdict.reasons:
        return "; ".join(reason.text for reason in verdict.reasons)
    return "; ".join([_fits(verdict), *verdict.notes])


def why(selection: Selection) -> str:
    """One sentence on what was chosen and why."""
    chosen = selection.chosen
    if chosen is None:
        return f"No profile of {selection.model} can run here."
    running = sum(verdict.bucket is not Bucket.INCOMPATIBLE for verdict in selection.verdicts)
    count = len(selection.verdicts)
    first = f"the best ranked of {running} that run here, of {count}" if count > 1 else "its only profile"
    shorter = ""
    if chosen.bucket is Bucket.LOW_MEMORY:
        shorter = f", with --max-model-len {chosen.max_model_len} because memory is short"
    return f"{chosen.profile.name}: {first}{shorter}. {reasons(chosen)}"


def host_lines(host: Host) -> Iterator[str]:
    """The machine, a line for each part."""
    features = " ".join(sorted(host.features)) or "no vector extensions"
    name = host.cpu_model or host.architecture
    yield f"CPU: {name}, {host.cores} cores, {features}, {gib(host.memory)} GiB"
    found = units(host)
    for unit in found:
        told = ".".join(map(str, unit.capability)) if unit.capability else "unknown"
        memory = f"{gib(unit.memory)} GiB, {gib(unit.free)} free" if unit.memory else "memory unknown"
        yield f"GPU {unit.number}: {short_name(unit.name, unit.memory)}, {memory}, compute capability {told}"
    if not found:
        yield "GPU: none"
    installed = [engine.label for engine in host.engines]
    yield f"Engines: {', '.join(installed) or 'none'}"
    if host.triton is not None:
        version = host.triton.version or "of unknown version"
        yield f"Triton: {version}, backends {', '.join(host.triton.backends) or 'none'}"


def _fits(verdict: Verdict) -> str:
    found = verdict.demand
    if found is None:
        return "memory not known"
    count = verdict.profile.needs.gpus
    place = (
        "memory" if verdict.profile.needs.device is Device.CPU else f"each of {count} GPUs" if count > 1 else "one GPU"
    )
    return f"{found.text} of {found.usable_text} usable on {place}".replace(" on memory", "")
