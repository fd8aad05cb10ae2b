"""LoRA adapters as PEFT writes them, made of zeros, with whatever is to be wrong about them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HIDDEN = 8
Shapes = Mapping[str, tuple[int, ...]]
_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}


def adapter(folder: Path, *, tensors: Shapes | None = None, **config: Any) -> Path:
    """An adapter of rank 2 for the query projection of a model that is `HIDDEN` wide.

    Args:
        folder: made when missing.
        tensors: shape by name, in place of the usual ones.
        config: changes to `adapter_config.json`; None removes a key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "parrot", "bias": "none"}
    settled = {key: value for key, value in {**usual, **config}.items() if value is not None}
    (folder / "adapter_config.json").write_text(json.dumps(settled), encoding="utf-8")
    write_zeros(folder / "adapter_model.safetensors", pair() if tensors is None else tensors)
    return folder


def pair(module: str = "model.layers.0.self_attn.q_proj", *, rank: int = 2, wide: int = HIDDEN) -> Shapes:
    """Both matrices of one layer."""
    name = f"base_model.model.{module}"
    return {f"{name}.lora_A.weight": (rank, wide), f"{name}.lora_B.weight": (wide, rank)}


def write_zeros(path: Path, shapes: Shapes, dtype: str = "F16") -> Path:
    """A safetensors file of zeros."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * _BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    return write_raw(path, header, end)


def write_raw(path: Path, header: Any, size: int) -> Path:
    """A file with that header, whatever it says, and `size` bytes of data."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    return path
