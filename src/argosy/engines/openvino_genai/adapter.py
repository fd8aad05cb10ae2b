"""A LoRA adapter in PEFT's format, checked against the network before the library sees it.

The library applies what fits and passes over the rest with a warning; an adapter that does nothing, or half of what it
should, is refused here instead. Format: https://huggingface.co/docs/peft, `adapter_config.json` beside
`adapter_model.safetensors`, whose header (https://github.com/huggingface/safetensors) is a little-endian UINT64 length
and that much JSON.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from argosy.core.errors import InvalidModelEntry

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"

_LONGEST_HEADER = 1 << 24
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


class _Tensor(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that fits its network.

    Attributes:
        path: the safetensors file.
        scale: what the product of its matrices is multiplied with.
    """

    path: Path
    scale: float


def read_adapter(directory: Path, graph: Path) -> Adapter:
    """The adapter in a folder.

    Args:
        directory: holds `adapter_config.json` and `adapter_model.safetensors`.
        graph: `openvino_model.xml` of the network it is for.

    Raises:
        InvalidModelEntry: a file is missing or broken, is no LoRA this engine can apply, or is not for this network.
    """
    if graph.suffix != ".xml":
        raise InvalidModelEntry(f"The adapter {directory} needs a model that is a folder with {graph.stem}.xml.")
    path = directory / WEIGHTS
    rank, scale = _rank_and_scale(directory / CONFIG)
    modules = _modules(path, rank)
    names = graph.read_text(encoding="utf-8", errors="replace")
    # Layers are named in the graph as in the checkpoint, after a prefix and before what each does.
    unknown = [module for module in modules if re.search(rf"[.\"]{re.escape(module)}[/.\"]", names) is None]
    if unknown:
        raise InvalidModelEntry(f"{path} is not for the model beside it, which has no layer {unknown[0]!r}.")
    return Adapter(path, scale)


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


def _modules(path: Path, rank: int) -> list[str]:
    """Names of the layers that the file changes, each with both matrices of the right rank."""
    sides: dict[str, set[str]] = {}
    for name, tensor in _tensors(path).items():
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
    return list(sides)


def _tensors(path: Path) -> dict[str, _Tensor]:
    try:
        with path.open("rb") as file:
            length = min(int.from_bytes(file.read(8), "little"), _LONGEST_HEADER)
            header: dict[str, Any] = msgspec.json.decode(file.read(length), type=dict[str, Any])
        header.pop("__metadata__", None)
        return msgspec.convert(header, dict[str, _Tensor])
    except FileNotFoundError:
        raise InvalidModelEntry(f"{path} is missing; an adapter in PEFT's format has one.") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidModelEntry(f"{path} is not a safetensors file: {error}.") from error
