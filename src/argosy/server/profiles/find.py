"""The manifest of the MODEL that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.server.artifacts.kinds.checkpoint_files import is_checkpoint
from argosy.server.artifacts.kinds.gguf import is_gguf
from argosy.server.artifacts.kinds.network import find_network, is_network, network_files
from argosy.server.artifacts.naming import default_name
from argosy.server.artifacts.resolve import survey
from argosy.server.artifacts.source import Source
from argosy.server.profiles.facts import Facts, Form
from argosy.server.profiles.generate import generate
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.sources import entry, gguf, network, transformers
from argosy.store.entries import SPEC_FILE, read_entry

_BYTES = {"int4": 0.8, "int8": 1.5, "fp16": 3.0}


def find(model: str, stores: Sequence[Path], name: str | None = None) -> Manifest:
    """The manifest of a model in a store, or of files at a path.

    Args:
        model: a name in a store, or a path. A folder may hold a model store entry, a model in Hugging Face's form (its
            `config.json` alone is enough to know what would run), a network, or a GGUF file.
        stores: folders of model store entries.
        name: what files at a path are called; None makes a name from the path.

    Raises:
        ConfigurationError: there is no such model.
        InvalidModelEntry: its files cannot be read.
    """
    forms = _forms(model, stores, name)
    if forms:
        return _joined([generate(facts) for facts in forms])
    path = Path(model).expanduser()
    if (path / SPEC_FILE).is_file():
        return entry.manifest_of(read_entry(path))
    stored = survey(stores).entries
    for found in stored:
        if found.name == model:
            return entry.manifest_of(found)
    names = ", ".join(found.name for found in stored) or "nothing"
    raise ConfigurationError(
        f"There is no model {model!r}. In the store: {names}. Anything else is named by its path (a folder, a .gguf "
        "or a .onnx file) or as org/name of the Hugging Face hub."
    )


def facts_of(model: str, stores: Sequence[Path], name: str | None = None) -> Facts | None:
    """What is known of the files at a path; None for what is a model store entry already.

    Raises:
        InvalidModelEntry: the files cannot be read.
    """
    # What was converted is told last.
    return next(reversed(_forms(model, stores, name)), None)


def manifest_of_folder(source: Source, name: str) -> Manifest:
    """The manifest of a folder that holds a model in one form or several: a checkpoint, and what was converted of it.

    Raises:
        InvalidModelEntry: its files cannot be read.
    """
    return _joined([generate(facts) for facts in _folder(source, name)])


def _joined(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest of a model's forms. What is there as it has to be needs not be made of the other form."""
    first, *others = manifests
    for other in others:
        there = {profile.needs.engine for profile in other if profile.built} | {profile.name for profile in other}
        kept = [profile for profile in first if there.isdisjoint({profile.name, profile.needs.engine})]
        first = Manifest(first.model, (*kept, *other), first.origin, first.context)
    return first


def _forms(model: str, stores: Sequence[Path], name: str | None) -> tuple[Facts, ...]:
    path = Path(model).expanduser()
    stored = any((store / model / SPEC_FILE).is_file() for store in stores)
    if stored or not path.exists() or (path / SPEC_FILE).is_file():
        return ()
    name = name or default_name(path)
    return (_file(path, name),) if path.is_file() else _folder(Source(path), name)


def _file(path: Path, name: str) -> Facts:
    if is_gguf(path):
        return gguf.read(path, name)
    if is_network(path):
        return network.read(network_files(path)[0].values(), name)
    raise InvalidModelEntry(f"{path} is neither a .gguf, a .onnx nor an OpenVINO .xml file.")


def _folder(source: Source, name: str) -> tuple[Facts, ...]:
    """What is known of the model in each of its forms, the checkpoint first."""
    shape = transformers.read(source, name) if source.find("config.json") is not None else None
    complete = shape is not None and is_checkpoint(source)
    try:
        converted = _converted(source, name, shape)
    except InvalidModelEntry:
        # Which of several networks is meant is not asked where none is needed.
        if not complete:
            raise
        converted = None
    if converted is None and shape is None:
        raise InvalidModelEntry(
            f"{source.root} holds no model: neither config.json, a network nor a .gguf file was found in it."
        )
    found = (shape if complete or converted is None else None, converted)
    return tuple(facts for facts in found if facts is not None)


def _converted(source: Source, name: str, shape: Facts | None) -> Facts | None:
    """The GGUF file or the network in a folder; the engines that read it are those of its form."""
    found = [path for path in source.root.iterdir() if is_gguf(path)]
    if len(found) == 1:
        return gguf.read(found[0], name)
    path = find_network(source)
    if path is None:
        return None
    size = network.read(network_files(path)[0].values(), name)
    if shape is None:
        return size
    form = Form.ONNX if path.suffix.lower() == ".onnx" else Form.IR
    return replace(
        shape,
        form=form,
        stored=_stored(shape, size.weight_bytes),
        weight_bytes=size.weight_bytes,
        origin={**shape.origin, **size.origin},
    )


def _stored(shape: Facts, size: int) -> str:
    """How a converted model keeps its weights, by the bytes that one of them takes."""
    each = size / shape.parameters if shape.parameters else 4
    return next((name for name, most in _BYTES.items() if each < most), "fp32")
