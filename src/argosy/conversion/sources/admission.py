"""Decides whether a model may be converted, by reading names, sizes and small files only.

Nothing is loaded, run or unpickled here. What is admitted is copied by the first step, and later steps see the copies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from argosy.conversion.artifacts import Artifacts
from argosy.conversion.sources.kinds import Kind, kind_of
from argosy.conversion.sources.onnx_graph import check_graph
from argosy.core.errors import InvalidModelEntry

_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz", ".joblib"})
_BESIDE = frozenset({".json", ".jinja", ".txt", ".model"})
_POOLING = "*_Pooling/config.json"
_LARGEST_JSON = 8 << 20
_LARGEST_CARD = 1 << 20
_DEEPEST_JSON = 64
_MOST_FILES = 500


@dataclass(frozen=True, slots=True)
class Admitted:
    """A model that may be converted.

    Attributes:
        files: what belongs to it, by the name it gets in the conversion's own copy.
        main: name of the file or folder that is converted: the ONNX file's, or empty for a folder.
        config: content of `config.json`; empty for an ONNX file.
        license: as its card states it, or empty.
    """

    kind: Kind
    files: Mapping[str, Path]
    main: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    license: str = ""


def admit(path: Path, task: str, artifacts: Artifacts) -> Admitted:
    """The model at `path`, if it may be converted.

    Args:
        path: a Hugging Face folder with safetensors, or a `.onnx` file.
        task: what it shall be served as; empty takes what the model says.
        artifacts: what knows folders.

    Raises:
        InvalidModelEntry: it holds or asks for code, is a pickle, is malformed or made to exhaust a parser, or its
            architecture is not converted; the message says what to do instead.
    """
    if not path.exists():
        raise InvalidModelEntry(f"{path} does not exist. A model of a hub is named org/name or hf://org/name.")
    if path.is_dir():
        return _admit_folder(path, task, artifacts)
    if path.suffix.lower() == ".onnx":
        return _admit_onnx(path, task, artifacts)
    if path.suffix.lower() in _PICKLES:
        raise InvalidModelEntry(
            f"{path} can carry code (pickle) and is never opened. Save the model with "
            "save_pretrained(folder, safe_serialization=True), or export it to ONNX."
        )
    raise InvalidModelEntry(f"{path} cannot be converted; name a folder with safetensors or a .onnx file.")


def _admit_onnx(path: Path, task: str, artifacts: Artifacts) -> Admitted:
    if task not in {"", "tensor"}:
        raise InvalidModelEntry(f"An .onnx file alone is served as task 'tensor'; --task {task} needs a model folder.")
    check_graph(path)
    beside = artifacts.external_files(path)
    return Admitted(Kind.NETWORK, {path.name: path.resolve(), **{file.name: file for file in beside}}, path.name)


def _admit_folder(path: Path, task: str, artifacts: Artifacts) -> Admitted:
    artifacts.refuse_code(path)
    config_file = artifacts.find(path, "config.json")
    if config_file is None:
        raise InvalidModelEntry(f"{path} has no config.json; name a Hugging Face model folder or a .onnx file.")
    config = read_config(config_file)
    kind = kind_of(config, task)
    names = _names(path)
    weights = [name for name in names if name.endswith(".safetensors")]
    if not weights:
        raise InvalidModelEntry(_without_weights(path))
    beside = [name for name in names if Path(name).suffix.lower() in _BESIDE]
    files = {name: found.resolve() for name in (*weights, *beside) if (found := artifacts.find(path, name)) is not None}
    if kind.reads_text and "tokenizer.json" not in files:
        raise InvalidModelEntry(
            f"{path} has no tokenizer.json, which serving needs. Write it with "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    return Admitted(kind, files, config=config, license=_license(path, artifacts))


def read_config(path: Path) -> dict[str, Any]:
    """The JSON mapping in a model's config.

    Raises:
        InvalidModelEntry: it is too large, nested too deep, or not a mapping.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InvalidModelEntry(f"{path} is larger than {_LARGEST_JSON >> 20} MiB, which no config is.")
        data = path.read_bytes()
        _check_depth(path, data)
        value = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModelEntry(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise InvalidModelEntry(f"{path} must hold a JSON mapping.")
    return value


def _check_depth(path: Path, data: bytes) -> None:
    """Brackets inside texts count too, which errs on the safe side: no config has so many in a row."""
    depth = 0
    for mark in data:
        if mark in b"[{":
            depth += 1
            if depth > _DEEPEST_JSON:
                raise InvalidModelEntry(f"{path} nests deeper than {_DEEPEST_JSON}, which no config does.")
        elif mark in b"]}":
            depth -= 1


def _names(path: Path) -> list[str]:
    found = [child.name for child in path.iterdir() if not child.is_dir()]
    found += [child.relative_to(path).as_posix() for child in path.glob(_POOLING)]
    if len(found) > _MOST_FILES:
        raise InvalidModelEntry(f"{path} holds more than {_MOST_FILES} files; name the model's own folder.")
    return sorted(found)


def _without_weights(path: Path) -> str:
    if any(child.suffix.lower() in _PICKLES for child in path.iterdir()):
        return (
            f"{path} keeps its weights only in a format that can carry code (pickle), which is never opened. Save it "
            "with save_pretrained(folder, safe_serialization=True) where you trust it, and convert that."
        )
    return f"{path} has no .safetensors file with the weights."


def _license(path: Path, artifacts: Artifacts) -> str:
    """The licence in the front matter of the model's card."""
    card = artifacts.find(path, "README.md")
    if card is None or card.stat().st_size > _LARGEST_CARD:
        return ""
    try:
        text = card.read_text(encoding="utf-8", errors="replace")
        front = yaml.safe_load(text.split("---", 2)[1]) if text.startswith("---") else None
    except (OSError, IndexError, yaml.YAMLError):
        return ""
    found = front.get("license") if isinstance(front, dict) else None
    return found if isinstance(found, str) else ""
