"""The manifest of the MODEL that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from argosy.core.errors import ConfigurationError, InvalidModelEntry
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
    facts = facts_of(model, stores, name)
    if facts is not None:
        return generate(facts)
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
    path = Path(model).expanduser()
    stored = any((store / model / SPEC_FILE).is_file() for store in stores)
    if stored or not path.exists() or (path / SPEC_FILE).is_file():
        return None
    name = name or default_name(path)
    return _file(path, name) if path.is_file() else _folder(Source(path), name)


def _file(path: Path, name: str) -> Facts:
    if is_gguf(path):
        return gguf.read(path, name)
    if is_network(path):
        return network.read(network_files(path)[0].values(), name)
    raise InvalidModelEntry(f"{path} is neither a .gguf, a .onnx nor an OpenVINO .xml file.")


def _folder(source: Source, name: str) -> Facts:
    found = [path for path in source.root.iterdir() if is_gguf(path)]
    if len(found) == 1:
        return gguf.read(found[0], name)
    shape = transformers.read(source, name) if source.find("config.json") is not None else None
    path = find_network(source)
    if path is None:
        if shape is None:
            raise InvalidModelEntry(
                f"{source.root} holds no model: neither config.json, a network nor a .gguf file was found in it."
            )
        return shape
    size = network.read(network_files(path)[0].values(), name)
    if shape is None:
        return size
    # Converted already: the engines that read it are those of its form.
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
