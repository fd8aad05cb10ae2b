"""A checkpoint folder, checked before any library opens it: safetensors only, nothing outside of the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.engines.libraries import load

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_LARGEST_JSON = 64 << 20


def check_checkpoint(config: Path) -> list[Path]:
    """The weight files of the checkpoint whose `config.json` is given, each with a sound header.

    Raises:
        InvalidModelEntry: a file is missing, damaged, a pickle, or outside of the folder; the message names it.
    """
    if config.name != CONFIG:
        raise InvalidModelEntry(f"{config} is no checkpoint's {CONFIG}; correct 'model' in argosy.yaml.")
    _read_json(config)
    weights = _weights(config.parent)
    for path in weights:
        _check_header(path)
    return weights


def _weights(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).exists():
        return _shards(folder / INDEX)
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise InvalidModelEntry(
            f"{folder} holds its weights as {pickles[0]}, a Python pickle, which may run code and is never opened. "
            f"Use a revision of the model with {WEIGHTS}, or convert it with safetensors' own tool."
        )
    raise InvalidModelEntry(f"{folder} has neither {WEIGHTS} nor {INDEX}. Fetch the model again.")


def _shards(index: Path) -> list[Path]:
    named = _read_json(index).get("weight_map")
    files = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    if not files:
        raise InvalidModelEntry(f"{index} names no weight files. Fetch the model again.")
    for name in files:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InvalidModelEntry(f"{index} names {name[:100]!r}, which is no safetensors file beside it.")
        if not (index.parent / name).is_file():
            raise InvalidModelEntry(f"The weights file {index.parent / name} does not exist. Fetch the model again.")
    return [index.parent / name for name in files]


def _check_header(path: Path) -> None:
    safetensors = load("safetensors", "A checkpoint")
    try:
        with safetensors.safe_open(path, framework="numpy") as weights:
            empty = not weights.keys()
    except (safetensors.SafetensorError, OSError) as error:
        raise InvalidModelEntry(f"The weights file {path} is not a safetensors file: {error}.") from error
    if empty:
        raise InvalidModelEntry(f"The weights file {path} holds no weights. Fetch the model again.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InvalidModelEntry(f"{path} is larger than 64 MiB; it is not what its name says.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidModelEntry(f"The file {path} does not exist. Restore it, or correct argosy.yaml.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModelEntry(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(data, dict):
        raise InvalidModelEntry(f"{path} must hold a JSON object.")
    return data
