"""A model store entry: it was built for one engine, so its manifest has one profile."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.server.artifacts.kinds.checkpoint_files import CONFIG_FILE
from argosy.server.artifacts.source import Source
from argosy.server.profiles.facts import Facts, Form
from argosy.server.profiles.generate import footprint, generate
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.profile import ANY_GPU, NO_GPU, Device, GpuModel, Profile, Proof, Requirements
from argosy.server.profiles.sources import gguf, transformers
from argosy.store.entries import ModelEntry

_ON_GPU = frozenset({"tensorrt", "tensorrt_llm"})
_WEIGHTS = frozenset({".bin", ".safetensors", ".gguf", ".onnx", ".data", ".plan", ".engine"})
_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_SAMPLES = "samples"
_FIGURES = 3


def manifest_of(entry: ModelEntry, *, adapters: bool = False) -> Manifest:
    """The manifest of an entry; never fails: what its files do not tell is not checked.

    Args:
        entry: as found on disk.
        adapters: whether LoRA adapters are served on it.
    """
    profile = profile_of(entry.spec, adapters=adapters)
    try:
        facts = checkpoint_facts(entry) or _facts(entry)
    except (InvalidModelEntry, OSError):
        return Manifest(entry.name, (profile,), str(entry.directory))
    device = profile.needs.device
    spec = entry.spec
    if facts.form is Form.TRANSFORMERS:
        made = next((known for known in generate(facts) if known.id == profile.id), None)
        return Manifest(entry.name, (made or _sized(profile, facts),), str(entry.directory), facts.context)
    taken = footprint(facts, facts.stored, spec.engine, device, arithmetic=spec.profile.precision)
    needs = replace(profile.needs, footprint=taken)
    return Manifest(entry.name, (replace(profile, needs=needs),), str(entry.directory), facts.context)


def checkpoint_facts(entry: ModelEntry) -> Facts | None:
    """What is known of the checkpoint that an entry serves as it was published; None for what was built.

    Raises:
        InvalidModelEntry: its files cannot be read.
    """
    folder = entry.newest
    if not is_checkpoint_entry(entry.spec) or entry.spec.model != CONFIG_FILE or not (folder / CONFIG_FILE).is_file():
        return None
    facts = transformers.read(Source(folder), entry.name, folder.glob("*.safetensors"))
    context = entry.spec.generate.context_length if entry.spec.generate is not None else facts.context
    return replace(facts, task=entry.spec.task, context=context)


def is_checkpoint_entry(spec: ModelSpec) -> bool:
    """Whether the entry serves a checkpoint as it was published, with a profile that was chosen for a machine."""
    return _recorded(spec) is not None


def profile_of(spec: ModelSpec, *, adapters: bool = False) -> Profile:
    """The profile an entry was built as; `adapters` says whether LoRA adapters are served on it."""
    if (recorded := _recorded(spec)) is not None:
        return recorded
    kind = "llm_engine" if spec.task is Task.GENERATE else "backend"
    device = _device(spec)
    tags = {
        kind: spec.engine,
        "precision": spec.profile.precision,
        "weights": spec.profile.weights,
        "tp": "1",
        "pp": "1",
        **({"feat_lora": "true"} if adapters else {}),
    }
    weights = spec.source.get("sha256") or spec.source.get("fingerprint") or ""
    identity = json.dumps([spec.name, str(weights), spec.model, tags], sort_keys=True)
    shown = {
        **tags,
        "engine": spec.engine,
        "gpu": ANY_GPU if device is Device.GPU else NO_GPU,
        "lora": "true" if adapters else "false",
    }
    return Profile(
        id=hashlib.sha256(identity.encode()).hexdigest(),
        name=f"{spec.engine}-{spec.profile.label.replace('/', '-')}{'-lora' if adapters else ''}",
        model=spec.name,
        tags=shown,
        needs=Requirements(engine=spec.engine, device=device, gpu=_gpu(spec)),
        precision=spec.profile.weights if spec.profile.weights != "fp32" else spec.profile.precision,
        lora=adapters,
        proof=proof_of(spec),
    )


def _sized(profile: Profile, facts: Facts) -> Profile:
    """A recorded profile, of an entry that was renamed for instance, with the memory that it takes."""
    needs = profile.needs
    taken = footprint(facts, profile.precision, needs.engine, needs.device, tp=needs.tp)
    return replace(profile, needs=replace(needs, footprint=taken))


def _recorded(spec: ModelSpec) -> Profile | None:
    """The profile that was chosen for a checkpoint, as its entry says; None for what was built as one profile."""
    found = spec.source.get("profile")
    tags = found.get("tags") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(tags, Mapping):
        return None
    told = {str(key): str(value) for key, value in tags.items()}
    tp, pp = (int(told[key]) if _COUNT.fullmatch(told.get(key, "")) else 1 for key in ("tp", "pp"))
    return Profile(
        id=str(found.get("id") or ""),
        name=str(found.get("name") or spec.engine),
        model=spec.name,
        tags=told,
        needs=Requirements(engine=spec.engine, device=_device(spec), tp=tp, pp=pp),
        precision=told.get("precision", ""),
        lora=told.get("lora") == "true",
        proof=proof_of(spec),
    )


def proof_of(spec: ModelSpec) -> Proof | None:
    """What the entry says of its comparison with the reference, or None when it says nothing."""
    found = spec.proof
    if not isinstance(found.get("passed"), bool):
        return None
    measured = found.get("figures")
    known = measured if isinstance(measured, Mapping) else found
    figures = {str(key): float(value) for key, value in known.items() if _is_figure(value) and key != _SAMPLES}
    told = [f"{key} {value:.4g}" for key, value in figures.items()]
    bounds = found.get("thresholds")
    samples = found.get(_SAMPLES)
    return Proof(
        passed=found["passed"],
        text=", ".join(told[:_FIGURES]),
        figures=figures,
        thresholds={str(key): str(value) for key, value in bounds.items()} if isinstance(bounds, Mapping) else {},
        reference=str(found.get("reference") or ""),
        samples=samples if type(samples) is int else 0,
    )


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _device(spec: ModelSpec) -> Device:
    told = str(spec.source.get("device") or "")
    if told in set(Device):
        return Device(told)
    return Device.GPU if spec.engine in _ON_GPU else Device.CPU


def _gpu(spec: ModelSpec) -> GpuModel | None:
    """The GPU that an engine was compiled on: TensorRT's plans run on no other."""
    name = str(spec.source.get("gpu") or "")
    return GpuModel(name=name) if name else None


def _facts(entry: ModelEntry) -> Facts:
    spec, folder = entry.spec, entry.newest
    main = folder / spec.model
    size = sum(path.stat().st_size for path in _weights(folder, main))
    stored = spec.profile.weights
    context = spec.text.max_tokens if spec.text is not None else 0
    known = Facts(spec.name, spec.task, Form.ENTRY, stored=stored, weight_bytes=size, context=context)
    if spec.generate is None:
        return replace(known, hidden=spec.text.dimensions if spec.text is not None else 0)
    known = replace(known, context=spec.generate.context_length)
    if main.suffix == ".gguf":
        return replace(gguf.read(main, spec.name), form=Form.ENTRY, context=known.context)
    if (folder / "config.json").is_file():
        shape = transformers.read(Source(folder), spec.name)
        return replace(shape, form=Form.ENTRY, task=spec.task, stored=stored, weight_bytes=size, context=known.context)
    return known


def _weights(folder: Path, main: Path) -> list[Path]:
    """The files that hold the weights: by their names, without the tokenizer's."""
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix.lower() in _WEIGHTS and "tokenizer" not in path.name
    ]
    return found or [main]
