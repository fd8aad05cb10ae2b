"""One adapter folder to one model store entry: the base's files, and the adapter beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task, check_name
from argosy.engines import registry
from argosy.engines.contract import Feature
from argosy.server.artifacts import staging
from argosy.server.artifacts.adapters.config import CONFIG_FILE, AdapterConfig, read_config
from argosy.server.artifacts.adapters.header import read_header
from argosy.server.artifacts.adapters.shapes import check_fits, check_pairs
from argosy.server.artifacts.fingerprint import fingerprint
from argosy.server.artifacts.kinds.entry import renamed_config
from argosy.server.artifacts.naming import normalise
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.source import Source
from argosy.store import entries
from argosy.store.entries import ModelEntry

WEIGHTS_FILE = "adapter_model.safetensors"
_FOLDER = "adapter"
_HOW_IT_RUNS = ("device", "profile")
"""What of a base's source is said of its adapters too: they run as it does."""
_PICKLES = ("adapter_model.bin", "adapter_model.pt", "adapter_model.pth")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was found good.

    Attributes:
        source: its folder.
        base: the model it belongs to.
        warning: a sentence for the operator, or empty.
    """

    name: str
    source: Source
    base: ModelEntry
    config: AdapterConfig
    warning: str = ""


def examine(folder: Path, bases: Sequence[ModelEntry], max_rank: int) -> Adapter:
    """The adapter in `folder`, checked against its base. Weights are not read, and nothing is run.

    Args:
        folder: its name becomes the model's.
        bases: the language models that are served.
        max_rank: ranks above are refused.

    Raises:
        InvalidModelEntry: it cannot be served; the message names the file and the remedy.
    """
    check_name(folder.name)
    source = Source(folder)
    config = read_config(source, max_rank)
    base, warning = _base(source, config, bases)
    if Feature.ADAPTER not in registry.features(base.spec.engine):
        raise InvalidModelEntry(f"{folder} is for {base.name!r}, whose engine {base.spec.engine!r} takes no adapters.")
    weights = source.find(WEIGHTS_FILE)
    if weights is None:
        raise _no_weights(source)
    layers = check_pairs(weights, read_header(weights), config.rank)
    check_fits(weights, layers, Source(base.newest))
    return Adapter(folder.name, source, base, config, warning)


def build(adapter: Adapter, cache: Path) -> ModelEntry:
    """The adapter's entry in the cache, made when it is not there yet.

    Every form has a folder of its own: a new form of an adapter never changes the one being served.

    Raises:
        InvalidModelEntry: a file of the base or the adapter went away.
        ConfigurationError: the cache cannot be written.
    """
    own = _adapter_files(adapter.source)
    shared = _base_files(adapter.base)
    described = [adapter.base.directory / entries.SPEC_FILE, adapter.base.directory / entries.CONFIG_FILE]
    marks = [
        fingerprint(adapter.source.root, own.values()),
        fingerprint(adapter.base.directory, [*shared.values(), *described]),
    ]
    mark = f"sha256:{hashlib.sha256(' '.join(marks).encode()).hexdigest()}"
    place = cache / "adapters" / mark[7:23]
    if (known := staging.reusable(place, adapter.name, mark)) is not None:
        return known
    config = (adapter.base.directory / entries.CONFIG_FILE).read_text(encoding="utf-8")
    spec = _spec(adapter, mark)
    plan = Plan(spec, renamed_config(config, adapter.name), {**shared, **own}, copied=frozenset(own))
    return staging.build(place, plan)


def _spec(adapter: Adapter, mark: str) -> ModelSpec:
    base = adapter.base.spec
    if base.generate is None:
        raise InvalidModelEntry(f"{base.name!r} is not a language model.")
    return replace(
        base,
        name=adapter.name,
        parent=base.name,
        description=f"LoRA adapter of {base.name}, rank {adapter.config.rank}.",
        license="",
        source={
            **{key: base.source[key] for key in _HOW_IT_RUNS if key in base.source},
            "adopted": adapter.source.root.name,
            "fingerprint": mark,
            "base": adapter.config.base,
        },
        generate=replace(base.generate, adapter=_FOLDER),
        accuracy={},
    )


def _base(source: Source, config: AdapterConfig, bases: Sequence[ModelEntry]) -> tuple[ModelEntry, str]:
    """The served model that the adapter names."""
    candidates = [base for base in bases if base.spec.task is Task.GENERATE and base.spec.parent is None]
    for base in candidates:
        if config.base and config.base in _names(base):
            return base, ""
    last = config.base.rstrip("/").rpartition("/")[2]
    for base in candidates:
        if last and base.name == normalise(last):
            return base, ""
    shown = config.base[:128] or "(none)"
    if len(candidates) == 1:
        base = candidates[0]
        warning = (
            f"{source.root.name} names the base model {shown!r}; it is served on {base.name!r}, the only one here."
        )
        return base, warning
    served = ", ".join(base.name for base in candidates) or "none"
    raise InvalidModelEntry(
        f"{source.root / CONFIG_FILE}: its base model {shown!r} is not served. Served language models: {served}. Set "
        "base_model_name_or_path to one of them."
    )


def _names(base: ModelEntry) -> frozenset[str]:
    """What a base is called: its name, and where it came from."""
    origin = base.spec.source
    return frozenset({base.name, *(str(origin[key]) for key in ("id", "adopted") if origin.get(key))})


def _adapter_files(source: Source) -> dict[str, Path]:
    return {f"{_FOLDER}/{name}": _present(source, name) for name in (CONFIG_FILE, WEIGHTS_FILE)}


def _base_files(base: ModelEntry) -> Mapping[str, Path]:
    found = {path.relative_to(base.newest).as_posix(): path for path in sorted(base.newest.rglob("*"))}
    return {name: path for name, path in found.items() if path.is_file()}


def _present(source: Source, name: str) -> Path:
    path = source.find(name)
    if path is None:
        raise InvalidModelEntry(f"{source.root / name} is not there any more.")
    return path


def _no_weights(source: Source) -> InvalidModelEntry:
    if source.find(*_PICKLES) is not None:
        return InvalidModelEntry(
            f"{source.root} holds its weights in a format that can carry code (pickle), which is never opened. Save "
            "the adapter again with PEFT's save_pretrained(safe_serialization=True)."
        )
    return InvalidModelEntry(f"{source.root} has no {WEIGHTS_FILE}.")
