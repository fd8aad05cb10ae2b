"""The files of a language model's Hugging Face checkpoint, looked at before any library sees them.

Libraries load them in a process of their own and say no more than that they could not, so what is missing or broken is
found here and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from argosy.core.errors import InvalidModelEntry
from argosy.engines.peft import PeftAdapter, not_for_the_model, read_peft
from argosy.engines.safetensors_header import read_header

CONFIG = "config.json"
_GENERATION = "generation_config.json"
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that can be loaded.

    Attributes:
        directory: what the library is given.
        tensors: names of the weights.
        end_tokens: tokens that end an answer by the checkpoint's own word.
        vocabulary: tokens that the network has a logit for.
        quantization: how the weights are quantised by the checkpoint's own word; empty when they are not.
    """

    directory: Path
    tensors: frozenset[str]
    end_tokens: tuple[int, ...]
    vocabulary: int
    quantization: str


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint whose `config.json` is `path`.

    Raises:
        InvalidModelEntry: a file is missing or broken; the message names it.
    """
    config = _json(path)
    generation = _json(path.with_name(_GENERATION)) if path.with_name(_GENERATION).is_file() else {}
    text = config.get("text_config") or config
    vocabulary = text.get("vocab_size")
    if not config.get("architectures") or not isinstance(vocabulary, int) or vocabulary < 1:
        raise InvalidModelEntry(f"{path} names no architecture or vocabulary; it is not a language model's.")
    return Checkpoint(
        path.parent,
        frozenset(name for file in _weights(path.parent) for name in read_header(file)),
        _tokens(generation.get("eos_token_id", text.get("eos_token_id"))),
        vocabulary,
        str((config.get("quantization_config") or {}).get("quant_method", "")),
    )


def read_adapter(directory: Path, checkpoint: Checkpoint) -> PeftAdapter:
    """The LoRA adapter in a folder, which must fit the checkpoint.

    Raises:
        InvalidModelEntry: as `read_peft`, or it changes a layer that the checkpoint does not have.
    """
    adapter = read_peft(directory)
    for module in adapter.modules:
        if f"{module}.weight" not in checkpoint.tensors:
            raise not_for_the_model(adapter.path, module)
    return adapter


def _weights(directory: Path) -> list[Path]:
    """Every file of weights; all that the index names are there."""
    index = directory / _INDEX
    if index.is_file():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
        files = [directory / name for name in names if isinstance(name, str) and name == Path(name).name]
        if not files or len(files) < len(names):
            raise InvalidModelEntry(f"{index} names no files beside it as the checkpoint's weights.")
    else:
        files = sorted(directory.glob("*.safetensors")) or [directory / "model.safetensors"]
    for file in files:
        if not file.is_file():
            raise InvalidModelEntry(f"{file} is missing; the checkpoint's weights are in it.")
    return files


def _json(path: Path) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise InvalidModelEntry(f"{path} is missing; 'model' in argosy.yaml names a checkpoint's {CONFIG}.") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidModelEntry(f"{path} cannot be read: {error}.") from error


def _tokens(ids: object) -> tuple[int, ...]:
    values = ids if isinstance(ids, list) else [ids]
    return tuple(token for token in values if isinstance(token, int) and token >= 0)
