"""Folders in the form of a Hugging Face checkpoint with zeros for weights, for whoever reads and never runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "dtype": "bfloat16",
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "eos_token_id": 2,
}
BERT = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "dtype": "float32",
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}


def language_model(folder: Path, **config: Any) -> Path:
    """A Llama's folder."""
    return _write(folder, {**LLAMA, **config})


def encoder(folder: Path, **config: Any) -> Path:
    """A BERT's folder."""
    return _write(folder, {**BERT, **config})


def shard(folder: Path, count: int = 2) -> Path:
    """The same folder with its weights in several files and an index."""
    (folder / "model.safetensors").unlink()
    names = [f"model-{number + 1:05}-of-{count:05}.safetensors" for number in range(count)]
    for number, name in enumerate(names):
        save_file({f"layer.{number}": np.zeros((4, 4), np.float32)}, folder / name)
    index(folder, {f"layer.{number}": name for number, name in enumerate(names)})
    return folder


def index(folder: Path, weight_map: Any) -> None:
    """Write the index of a folder's weights."""
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def _write(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    save_file({"layer.0": np.zeros((64, 64), np.float32)}, folder / "model.safetensors")
    return folder
