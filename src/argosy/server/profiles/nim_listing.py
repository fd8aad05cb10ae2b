"""What NIM's `list-model-profiles` prints, in its form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from argosy.server.probe.host import Host
from argosy.server.profiles.gpu_match import short_name
from argosy.server.profiles.memory import GIB, gib
from argosy.server.profiles.units import Unit, units
from argosy.server.profiles.verdict import Bucket, Selection, Verdict

_NONE = "<None>"
_FREE_SHARE = 0.85


def listing(host: Host, selections: Sequence[Selection]) -> Iterator[str]:
    """The lines: the system, then every model's profiles by bucket, best first."""
    yield "SYSTEM INFO"
    present = units(host)
    free = [unit for unit in present if unit.free >= _FREE_SHARE * unit.memory]
    yield from _gpus("Free GPUs", free)
    if busy := [unit for unit in present if unit not in free]:
        yield from _gpus("Non-free GPUs", busy)
    yield f"- CPU: {host.cpu_model or host.architecture} ({host.cores} cores, {gib(host.memory)} GiB)"
    for selection in selections:
        yield "MODEL PROFILES" if len(selections) == 1 else f"MODEL PROFILES ({selection.model})"
        yield from _model(selection)


def _model(selection: Selection) -> Iterator[str]:
    runnable = selection.in_bucket(Bucket.COMPATIBLE)
    ready = [verdict for verdict in runnable if not _compiled_at_start(verdict)]
    yield "- Compatible with system and runnable:"
    yield from _lines([verdict for verdict in ready if not _lora(verdict)], 1)
    yield "  - With LoRA support:"
    yield from _lines([verdict for verdict in ready if _lora(verdict)], 2)
    yield "- Compilable to TRT-LLM using just-in-time compilation of HF models to TRTLLM engines:"
    yield from _lines([verdict for verdict in runnable if _compiled_at_start(verdict)], 1)
    yield "- Compatible with system but low memory:"
    yield from _lines(selection.in_bucket(Bucket.LOW_MEMORY), 1)
    yield "- Incompatible with system:"
    yield from _lines(selection.in_bucket(Bucket.INCOMPATIBLE), 1)


def _lines(verdicts: Sequence[Verdict], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for verdict in verdicts:
        yield f"{indent}- {verdict.profile.id} ({verdict.profile.name}){_requires(verdict)}"
    if not verdicts:
        yield f"{indent}- {_NONE}"


def _requires(verdict: Verdict) -> str:
    found = verdict.demand
    if found is None:
        return ""
    per = "/gpu" if verdict.profile.needs.gpus else ""
    hint = f" [--max-model-len {verdict.max_model_len}]" if verdict.bucket is Bucket.LOW_MEMORY else ""
    return f" [requires >={-(-found.needed // GIB)} GB{per}]{hint}"


def _gpus(title: str, found: Sequence[Unit]) -> Iterator[str]:
    yield f"- {title}:"
    for unit in found:
        short = short_name(unit.name, unit.memory)
        used = "unknown" if unit.utilization is None else f"{unit.utilization}%"
        yield f"  -  [{unit.pci_device}] ({unit.number}) {unit.name} ({short}) [current utilization: {used}]"
    if not found:
        yield f"  - {_NONE}"


def _compiled_at_start(verdict: Verdict) -> bool:
    return verdict.profile.tags.get("trtllm_buildable") == "true"


def _lora(verdict: Verdict) -> bool:
    return verdict.profile.tags.get("feat_lora") == "true"
