"""A LoRA adapter in PEFT's format, checked before an engine's library sees it.

Libraries apply what fits and pass over the rest; an adapter that does nothing, or half of what it should, is refused
here instead. Format: https://huggingface.co/docs/peft, `adapter_config.json` beside `adapter_model.safetensors`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from argosy.core.errors import InvalidModelEntry
from argosy.engines.safetensors_header import read_header

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"

_NAME = re.compile(r"(?:base_model\.model\.)?(?P<module>[\w.]+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_UNSUPPORTED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out")


class _Config(msgspec.Struct):
    """What of `adapter_config.json` changes the result."""

    peft_type: Literal["LORA"]
    r: Annotated[int, msgspec.Meta(ge=1)]
    lora_alpha: float
    use_rslora: bool | None = False
    bias: str = "none"
    use_dora: bool | None = False
    modules_to_save: list[str] | None = None
    rank_pattern: dict[str, Any] | None = None
    alpha_pattern: dict[str, Any] | None = None
    fan_in_fan_out: bool | None = False


@dataclass(frozen=True, slots=True)
class PeftAdapter:
    """An adapter of linear layers, whole in itself.

    Attributes:
        path: the safetensors file.
        rank: inner width of its matrices.
        scale: what the product of its matrices is multiplied with.
        modules: names of the layers that it changes, as in the checkpoint.
    """

    path: Path
    rank: int
    scale: float
    modules: tuple[str, ...]


def read_peft(directory: Path) -> PeftAdapter:
    """The adapter in a folder.

    Raises:
        InvalidModelEntry: a file is missing or broken, or is no LoRA of linear layers.
    """
    path = directory / WEIGHTS
    rank, scale = _rank_and_scale(directory / CONFIG)
    return PeftAdapter(path, rank, scale, _modules(path, rank))


def not_for_the_model(path: Path, module: str) -> InvalidModelEntry:
    """What to say of an adapter that changes a layer which its model does not have."""
    return InvalidModelEntry(f"{path} is not for the model beside it, which has no layer {module!r}.")


def _rank_and_scale(path: Path) -> tuple[int, float]:
    try:
        config = msgspec.json.decode(path.read_bytes(), type=_Config)
    except FileNotFoundError:
        raise InvalidModelEntry(f"{path} is missing; an adapter in PEFT's format has one.") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidModelEntry(f"{path} is not the configuration of a LoRA adapter: {error}.") from error
    for key in _UNSUPPORTED:
        if getattr(config, key):
            raise InvalidModelEntry(f"{path} sets {key!r}, which this engine cannot apply; merge the adapter instead.")
    if config.bias != "none":
        raise InvalidModelEntry(f"{path} trains biases, which this engine cannot apply; merge the adapter instead.")
    return config.r, config.lora_alpha / (math.sqrt(config.r) if config.use_rslora else config.r)


def _modules(path: Path, rank: int) -> tuple[str, ...]:
    """Names of the layers that the file changes, each with both matrices of the right rank."""
    if not path.is_file():
        raise InvalidModelEntry(f"{path} is missing; an adapter in PEFT's format has one.")
    sides: dict[str, set[str]] = {}
    for name, tensor in read_header(path).items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise InvalidModelEntry(f"{path} holds {name!r}, which is no matrix of a LoRA of linear layers.")
        if len(tensor.shape) != 2 or tensor.shape[match["side"] == "B"] != rank:
            raise InvalidModelEntry(
                f"{path}: {name!r} has the shape {list(tensor.shape)}, which is not of rank {rank}."
            )
        sides.setdefault(match["module"], set()).add(match["side"])
    for module, found in sides.items():
        if found != {"A", "B"}:
            raise InvalidModelEntry(f"{path} lacks one of the two matrices for {module!r}.")
    if not sides:
        raise InvalidModelEntry(f"{path} holds no matrices.")
    return tuple(sides)
