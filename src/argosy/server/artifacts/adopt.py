"""Make a model store entry out of a file or folder that a user names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from argosy.core.errors import CacheNotWritable, InvalidModelEntry
from argosy.core.models import check_name
from argosy.server.artifacts import integrity, staging
from argosy.server.artifacts.fingerprint import fingerprint
from argosy.server.artifacts.kinds.checkpoint import check_checkpoint, plan_checkpoint
from argosy.server.artifacts.kinds.checkpoint_files import is_checkpoint
from argosy.server.artifacts.kinds.chosen_profile import Choose, ChosenProfile, Substitute
from argosy.server.artifacts.kinds.encoder import is_encoder, plan_encoder
from argosy.server.artifacts.kinds.entry import plan_renamed, read_foreign_entry
from argosy.server.artifacts.kinds.gguf import is_gguf, plan_gguf
from argosy.server.artifacts.kinds.language_model import is_language_model, plan_language_model
from argosy.server.artifacts.kinds.network import Runs, find_network, is_network, network_files, plan_network
from argosy.server.artifacts.kinds.saved_model import GRAPH_FILE, is_saved_model, plan_saved_model, saved_model_files
from argosy.server.artifacts.kinds.tensorrt_engine import is_engine, plan_engine
from argosy.server.artifacts.naming import default_name
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.refusals import check_no_remote_code, refuse_file, refuse_folder
from argosy.server.artifacts.source import Source
from argosy.server.artifacts.variants import Variant
from argosy.store.entries import SPEC_FILE, ModelEntry

Origin = Mapping[str, Any]


def adopt(
    path: Path,
    cache: Path,
    name: str | None = None,
    choose: Choose | None = None,
    substitute: Substitute | None = None,
) -> ModelEntry:
    """An entry that serves what is at `path`.

    A folder that is an entry already is used where it is. Everything else gets an entry in `<cache>/store`, or one in
    `<cache>/profiles/<16 digits>/store` for each profile that is chosen for it, made anew only when the source has
    changed. No code of the source is run and no pickle is opened.

    Args:
        path: a file or a folder.
        cache: created when needed.
        name: what clients call the model; None makes one from the path.
        choose: chooses how a checkpoint runs; None refuses checkpoints.
        substitute: says what is served where the cache has only other profiles' entries and cannot be written; None
            is an error then.

    Raises:
        InvalidModelEntry: the source cannot be served; the message says what to do instead.
        CorruptModel: it is an entry whose files were changed since it was made.
        MissingRequirement: a library that reads the source is not installed.
        CacheNotWritable: the cache cannot be written.
    """
    path = path.expanduser()
    if not path.exists():
        raise InvalidModelEntry(f"{path} does not exist.")
    if path.name == GRAPH_FILE:
        path = path.absolute().parent
    if (path / SPEC_FILE).is_file():
        entry = read_foreign_entry(path)
        integrity.check(path)
        if name in {None, entry.name}:
            return entry
    name = default_name(path) if name is None else name
    check_name(name)
    variant = Variant(cache, name, fingerprint(path, _companions(path)), choice_for(path, name, choose))
    if (known := variant.reusable()) is not None:
        return known
    origin = {"adopted": path.absolute().name, **variant.origin}
    planned = plan(path, name, origin, variant.chosen)
    try:
        return staging.build(variant.place, planned, named=cache)
    except CacheNotWritable as error:
        return variant.instead(error, substitute)


def choice_for(path: Path, name: str, choose: Choose | None) -> ChosenProfile | None:
    """The profile for a checkpoint or an ONNX file at `path`; None for everything else, and when nobody chooses.

    Raises:
        InvalidModelEntry: nothing here can run it, or it asks for code of its own.
    """
    if choose is None or (path / SPEC_FILE).is_file():
        return None
    if path.is_file():
        return choose(Source(path.parent), name, path) if path.suffix.lower() == ".onnx" else None
    source = Source(path)
    return choose(source, name) if _is_servable_checkpoint(source) else None


def _is_servable_checkpoint(source: Source) -> bool:
    try:
        if not is_checkpoint(source):
            return False
        check_no_remote_code(source)
        check_checkpoint(source)
    except InvalidModelEntry:
        # What keeps the weights from being served matters only where there is nothing else.
        if find_network(source) is None and _only_gguf(source) is None:
            raise
        return False
    return True


def plan(path: Path, name: str, origin: Origin, chosen: ChosenProfile | None = None) -> Plan:
    """What the entry of the file or folder at `path` will hold; nothing is written.

    Args:
        path: of the source.
        name: what clients will call the model.
        origin: where it comes from, for the spec.
        chosen: how a checkpoint or an ONNX file runs; None for everything else.

    Raises:
        InvalidModelEntry: it cannot be served; the message says what to do instead.
        MissingRequirement: a library that reads it is not installed.
    """
    if path.is_file():
        return _plan_file(path, name, origin, chosen)
    source = Source(path)
    return _plan_folder(source, name, origin) if chosen is None else plan_checkpoint(source, name, origin, chosen)


def _plan_file(path: Path, name: str, origin: Origin, chosen: ChosenProfile | None) -> Plan:
    if is_gguf(path):
        return plan_gguf(path, name, origin)
    if is_network(path) and chosen is not None:
        runs = Runs(chosen.engine, gpu=chosen.device == "gpu")
        return plan_network(path, name, {**origin, "profile": chosen.record()}, runs)
    if is_network(path):
        return plan_network(path, name, origin)
    if is_engine(path):
        return plan_engine(path, name, origin)
    raise refuse_file(path)


def _plan_folder(source: Source, name: str, origin: Origin) -> Plan:
    if (source.root / SPEC_FILE).is_file():
        return plan_renamed(source.root, name, origin)
    check_no_remote_code(source)
    kinds: tuple[tuple[Callable[[Source], object], Callable[[Source, str, Origin], Plan]], ...] = (
        (is_language_model, plan_language_model),
        (is_encoder, plan_encoder),
        (is_saved_model, plan_saved_model),
        (find_network, _plan_bare),
        (_only_gguf, _plan_only_gguf),
    )
    for fits, planned in kinds:
        if fits(source):
            return planned(source, name, origin)
    raise refuse_folder(source)


def _plan_bare(source: Source, name: str, origin: Origin) -> Plan:
    path = find_network(source)
    if path is None:
        raise refuse_folder(source)
    return plan_network(path, name, origin)


def _only_gguf(source: Source) -> Path | None:
    found = [path.name for path in source.root.iterdir() if is_gguf(path)]
    return source.find(found[0]) if len(found) == 1 else None


def _plan_only_gguf(source: Source, name: str, origin: Origin) -> Plan:
    path = _only_gguf(source)
    if path is None:
        raise refuse_folder(source)
    return plan_gguf(path, name, origin)


def _companions(path: Path) -> list[Path] | None:
    """The files that make up a single-file source; None for a folder."""
    if (path / GRAPH_FILE).is_file():
        return list(saved_model_files(Source(path)).values())
    if path.is_dir():
        return [found for found in path.rglob("*") if found.is_file()] if (path / SPEC_FILE).is_file() else None
    if is_network(path):
        return list(network_files(path)[0].values())
    return [path]
