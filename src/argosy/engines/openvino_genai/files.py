"""Finds a model's files, and says what is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from argosy.core.errors import InvalidModelEntry, MissingRequirement
from argosy.engines.text.tokenizer import TextTokenizer

OWN_TOKENIZER = "openvino_tokenizer.xml"
_GRAPH = "openvino_model.xml"
_WEIGHTS = "openvino_model.bin"
_LIBRARIES = {"openvino_genai": "openvino-genai", "tokenizers": "tokenizers"}


def require_libraries() -> None:
    """Raise `MissingRequirement` for a library that is not installed, with the command that adds it."""
    for library, package in _LIBRARIES.items():
        if importlib.util.find_spec(library) is None:
            raise MissingRequirement(f"The library {library!r} is missing; run: pip install {package}")


def find_model(path: Path) -> Path:
    """The model's main file, if it is one that this engine loads and what belongs to it is there.

    Raises:
        InvalidModelEntry: it is not; the message names the file.
    """
    if not path.is_file():
        raise InvalidModelEntry(f"{path} is missing; 'model' in argosy.yaml names it.")
    if path.suffix == ".gguf":
        return path
    if path.name != _GRAPH:
        raise InvalidModelEntry(f"{path} is neither a .gguf file nor {_GRAPH}; this engine loads nothing else.")
    if not path.with_name(_WEIGHTS).is_file():
        raise InvalidModelEntry(f"{path.with_name(_WEIGHTS)} is missing; {_GRAPH} needs it beside it.")
    return path


def find_tokenizer(directory: Path, name: str | None, model: Path) -> TextTokenizer:
    """The tokenizer that an entry names, or else the one that its model brings.

    Raises:
        InvalidModelEntry: there is none, or it is broken; the message names the file.
    """
    # Imported here and not above, so that a missing library is told by `start` and not by an import.
    if name is not None and (directory / name).is_file():
        from argosy.engines.text.json_tokenizer import JsonTokenizer  # noqa: PLC0415

        return JsonTokenizer(directory / name)
    if model.suffix == ".gguf" or model.with_name(OWN_TOKENIZER).is_file():
        from argosy.engines.openvino_genai.tokenizer import NativeTokenizer  # noqa: PLC0415

        return NativeTokenizer(model)
    wanted = directory / (name or "tokenizer.json")
    raise InvalidModelEntry(f"{wanted} is missing, and there is no {OWN_TOKENIZER} beside {model} instead.")
