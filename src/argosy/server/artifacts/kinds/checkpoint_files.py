"""The files of a checkpoint: a Hugging Face folder with `config.json` and safetensors, as published.

Source: transformers' `save_pretrained`: the weights are `model.safetensors`, or files that
`model.safetensors.index.json` lists by tensor in its `weight_map`.
"""

from __future__ import annotations

import re
from pathlib import Path

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.readers.safetensors import read_header
from argosy.server.artifacts.source import Source

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_SHARD = re.compile(r"[A-Za-z0-9][\w.-]{0,200}\.safetensors")
_MOST_SHARDS = 1000
_TOKENIZERS = (TOKENIZER_FILE, "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
_BESIDE = (
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "hf_quant_config.json",
    "quantize_config.json",
    *_TOKENIZERS,
)


def is_checkpoint(source: Source) -> bool:
    """Whether the folder holds a config and weights that transformers would load without running code."""
    return source.find(CONFIG_FILE) is not None and source.find(WEIGHTS_FILE, INDEX_FILE) is not None


def checkpoint_files(source: Source) -> dict[str, Path]:
    """What an engine is given, by name; everything lies flat beside `config.json`.

    Raises:
        InvalidModelEntry: a file is missing, cut off, or a link or name that leads out of the folder.
    """
    config = source.find(CONFIG_FILE)
    if config is None:
        raise InvalidModelEntry(f"{source.root} has no {CONFIG_FILE}; copy the model's whole folder.")
    beside = {name: found for name in _BESIDE if (found := source.find(name)) is not None}
    if not any(name in beside for name in _TOKENIZERS):
        raise InvalidModelEntry(f"{source.root} has no {TOKENIZER_FILE}; copy the tokenizer's files there.")
    return {CONFIG_FILE: config, **_weights(source), **beside}


def weight_files(source: Source) -> dict[str, Path]:
    """The weights as transformers would choose them: one file, else those that the index names; nothing is opened.

    Raises:
        InvalidModelEntry: there are none, or the index names what is not a file of the folder itself.
    """
    single = source.find(WEIGHTS_FILE)
    return {WEIGHTS_FILE: single} if single is not None else _shards(source)


def _weights(source: Source) -> dict[str, Path]:
    """The weights and their index, every header read."""
    shards = weight_files(source)
    index = source.find(INDEX_FILE)
    if WEIGHTS_FILE in shards or index is None:
        for path in shards.values():
            read_header(path)
        return shards
    tensors = {name: read_header(path) for name, path in shards.items()}
    for tensor, listed in source.json(INDEX_FILE)["weight_map"].items():
        shard = str(listed)
        if tensor not in tensors[shard]:
            raise InvalidModelEntry(f"{index} says that {tensor[:128]!r} is in {shard}, which lacks it; copy it again.")
    return {INDEX_FILE: index, **shards}


def _shards(source: Source) -> dict[str, Path]:
    where = source.root / INDEX_FILE
    if source.find(INDEX_FILE) is None:
        raise InvalidModelEntry(f"{source.root} has neither {WEIGHTS_FILE} nor {INDEX_FILE}.")
    listed = source.json(INDEX_FILE).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise InvalidModelEntry(f'{where} has no "weight_map"; copy it again.')
    names = sorted({str(name) for name in listed.values()})
    if len(names) > _MOST_SHARDS:
        raise InvalidModelEntry(f"{where} names {len(names)} files; {_MOST_SHARDS} are the most that are read.")
    found = {}
    for name in names:
        if _SHARD.fullmatch(name) is None:
            raise InvalidModelEntry(f"{where} names {name[:128]!r}, which is no .safetensors file of the folder.")
        path = source.find(name)
        if path is None:
            raise InvalidModelEntry(f"{where} names {name}, which is not there; copy the model's whole folder.")
        found[name] = path
    return found
