"""Whether an adapter's matrices fit the model they are meant for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.adapters.header import TensorHeader
from argosy.server.artifacts.source import Source

_TENSOR = re.compile(r"base_model\.model\.(?P<module>[\w.]{1,200})\.lora_(?P<side>[AB])\.weight", re.ASCII)
_LAYER = re.compile(r"\.layers\.(\d{1,5})\.")
_SIDES = frozenset("AB")


def check_pairs(path: Path, tensors: Mapping[str, TensorHeader], rank: int) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every adapted layer, by the layer's name.

    Raises:
        InvalidModelEntry: a tensor that is no LoRA matrix, half a pair, or one of another rank.
    """
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in tensors.items():
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise InvalidModelEntry(f"{path}: {name[:128]!r} is not a matrix of a LoRA adapter as PEFT writes them.")
        found.setdefault(match["module"], {})[match["side"]] = tensor.shape
    if not found:
        raise InvalidModelEntry(f"{path} holds no matrices.")
    layers = {}
    for module, sides in found.items():
        if sides.keys() != _SIDES:
            raise InvalidModelEntry(f"{path}: {module} has only one of lora_A and lora_B.")
        down, up = sides["A"], sides["B"]
        if len(down) != 2 or len(up) != 2 or down[0] != rank or up[1] != rank:
            raise InvalidModelEntry(f"{path}: the matrices of {module} do not have the rank {rank} of the config.")
        layers[module] = (down[1], up[0])
    return layers


def check_fits(path: Path, layers: Mapping[str, tuple[int, int]], base: Source) -> None:
    """Compare the layers with what the base model's `config.json` says.

    Layers of names that are not known here are left to the engine, as are all when the base has no such file.

    Raises:
        InvalidModelEntry: a layer the base does not have, or of another size.
    """
    config = base.json("config.json")
    sizes, count = _sizes(config), config.get("num_hidden_layers")
    for module, (inputs, outputs) in layers.items():
        layer = _LAYER.search(f".{module}.")
        if layer is not None and isinstance(count, int) and int(layer[1]) >= count:
            raise InvalidModelEntry(f"{path}: {module} does not exist; the base model has {count} layers.")
        expected = sizes.get(module.rpartition(".")[2])
        if expected is not None and expected != (inputs, outputs):
            raise InvalidModelEntry(
                f"{path}: {module} is {inputs} to {outputs} wide, the base model's is {expected[0]} to {expected[1]}. "
                "It was trained for another model."
            )


def _sizes(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of the projections of a decoder by name, as far as its config tells."""
    hidden, inner = config.get("hidden_size"), config.get("intermediate_size")
    heads = config.get("num_attention_heads")
    if not _positive(hidden) or not _positive(heads):
        return {}
    own = config.get("head_dim")
    head = own if _positive(own) else hidden // heads
    shared = config.get("num_key_value_heads")
    queries, values = heads * head, (shared if _positive(shared) else heads) * head
    sizes = {"q_proj": (hidden, queries), "o_proj": (queries, hidden)}
    sizes |= dict.fromkeys(("k_proj", "v_proj"), (hidden, values))
    if _positive(inner):
        sizes |= {"gate_proj": (hidden, inner), "up_proj": (hidden, inner), "down_proj": (inner, hidden)}
    return sizes


def _positive(value: Any) -> TypeGuard[int]:
    return type(value) is int and value > 0
