"""Small real sources: networks made of OpenVINO operations, GGUF heads, Hugging Face folders."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

WIDTH = 8


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def encoder_network(
    path: Path, output: str = "last_hidden_state", classes: int = WIDTH, *, extra: bool = False
) -> Path:
    """An IR that looks ids up in a table; rank 3 for token states, rank 2 for `sentence_embedding` and `logits`."""
    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    mask = ops.parameter([-1, -1], np.int64, name="attention_mask")
    parameters = [ids, mask]
    table = np.arange(16 * classes, dtype=np.float32).reshape(16, classes)
    states = ops.gather(ops.constant(table), ids, ops.constant(0))
    weight = ops.unsqueeze(ops.convert(mask, np.float32), ops.constant(2))
    result = ops.multiply(states, weight)
    if output not in {"last_hidden_state", "token_embeddings"}:
        result = ops.reduce_mean(result, ops.constant(1), keep_dims=False)
    if extra:
        images = ops.parameter([-1, 3], np.float32, name="pixel_values")
        parameters.append(images)
        result = ops.add(result, ops.reduce_mean(images, ops.constant([0, 1]), keep_dims=False))
    return _save(path, result, output, parameters)


def tensor_network(path: Path, shape: Sequence[int] = (-1, 4), kind: Any = np.float32) -> Path:
    """An IR y = x + x."""
    x = ops.parameter(list(shape), kind, name="x")
    return _save(path, ops.add(x, x), "y", [x])


def _save(path: Path, result: Any, output: str, parameters: list[Any]) -> Path:
    for parameter in parameters:
        parameter.output(0).get_tensor().set_names({parameter.get_friendly_name()})
    result.output(0).get_tensor().set_names({output})
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(ov.Model([result], parameters, "m"), path, compress_to_fp16=False)
    return path


def encoder_folder(
    folder: Path,
    architecture: str = "BertModel",
    output: str = "last_hidden_state",
    classes: int = WIDTH,
    **config: Any,
) -> Path:
    """A Hugging Face folder with an IR, a tokenizer file and a config."""
    encoder_network(folder / "openvino_model.xml", output, classes)
    write_json(
        folder / "tokenizer.json", {"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": ""}}
    )
    write_json(folder / "config.json", {"architectures": [architecture], "hidden_size": classes, **config})
    return folder


def language_model_folder(folder: Path, **config: Any) -> Path:
    """A folder as an exporter writes a decoder; the network in it is not one, and nobody looks."""
    tensor_network(folder / "openvino_model.xml")
    defaults = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048, "eos_token_id": 2}
    write_json(folder / "config.json", {**defaults, **config})
    write_json(folder / "tokenizer.json", {})
    return folder


def gguf_value(value: Any) -> bytes:
    """Type and content of one metadata value."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(gguf_string, value))
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def gguf_string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


LLAMA: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny Llama",
    "general.license": "apache-2.0",
    "general.file_type": 7,
    "llama.context_length": 512,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a", "<|end|>"],
    "tokenizer.ggml.token_type": [2, 3, 3, 1, 3],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.eot_token_id": 4,
    "tokenizer.chat_template": "{{ messages[0].content }}",
}


def gguf_file(path: Path, metadata: Mapping[str, Any] = LLAMA, *, version: int = 3, keys: int | None = None) -> Path:
    """A GGUF file with metadata and no tensors; `keys` is a count to claim."""
    head = b"GGUF" + struct.pack("<IQQ", version, 0, len(metadata) if keys is None else keys)
    path.write_bytes(head + b"".join(gguf_string(key) + gguf_value(value) for key, value in metadata.items()))
    return path
