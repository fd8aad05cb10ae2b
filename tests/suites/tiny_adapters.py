"""Makers of small LoRA adapters in PEFT's format, for the bundled language model or any other."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RANK = 4
Matrices = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""A [rank, inputs] and B [outputs, rank] by layer, as `model.layers.0.self_attn.q_proj`."""


def random_matrices(layers: int = 4, width: int = 256, *, size: float = 0.3, seed: int = 0) -> Matrices:
    """An adapter of the query and value projections that changes every answer."""
    random = np.random.default_rng(seed)
    return {
        f"model.layers.{layer}.self_attn.{name}": (
            (random.standard_normal((RANK, width)) * size).astype(np.float32),
            (random.standard_normal((width, RANK)) * size).astype(np.float32),
        )
        for layer in range(layers)
        for name in ("q_proj", "v_proj")
    }


def write_adapter(directory: Path, matrices: Matrices, *, alpha: float = RANK, **config: object) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`; `config` changes the former."""
    directory.mkdir(parents=True, exist_ok=True)
    values = {"peft_type": "LORA", "r": RANK, "lora_alpha": alpha, "target_modules": ["q_proj", "v_proj"]}
    (directory / "adapter_config.json").write_text(json.dumps(values | config), encoding="utf-8")
    tensors = {
        f"base_model.model.{layer}.lora_{side}.weight": matrix
        for layer, pair in matrices.items()
        for side, matrix in zip("AB", pair, strict=True)
    }
    write_safetensors(directory / "adapter_model.safetensors", tensors)


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Write float32 tensors; https://github.com/huggingface/safetensors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, begin + tensor.nbytes]}
        begin += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensor.tobytes() for tensor in tensors.values()))
