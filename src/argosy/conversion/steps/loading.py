"""How the original models and tokenizers are loaded: safetensors only, built-in architectures only, no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.numpy import save_file

_LONGEST = 1 << 20


def load_model(folder: Path, automatic: str) -> Any:
    """The model in `folder` in f32, ready to be asked.

    Args:
        folder: a Hugging Face model folder.
        automatic: one of transformers' `AutoModel…` classes.
    """
    torch.manual_seed(0)
    model = getattr(transformers, automatic).from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, dtype=torch.float32
    )
    return model.eval().requires_grad_(requires_grad=False)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, as transformers builds it."""
    return transformers.AutoTokenizer.from_pretrained(
        folder, use_fast=True, trust_remote_code=False, local_files_only=True
    )


def longest_input(folder: Path, config: Any, tokenizer: Any) -> int:
    """Most tokens that the model reads: the smallest of what its files say."""
    positions = getattr(config, "max_position_embeddings", None)
    # RoBERTa's family counts positions from behind the padding token.
    behind = config.pad_token_id + 1 if "roberta" in config.model_type or config.model_type == "mpnet" else 0
    sentence = folder / "sentence_bert_config.json"
    limits = [
        positions - behind if isinstance(positions, int) else None,
        tokenizer.model_max_length,
        json.loads(sentence.read_text()).get("max_seq_length") if sentence.is_file() else None,
    ]
    return min((int(limit) for limit in limits if limit and 0 < limit <= _LONGEST), default=512)


def reference_name() -> str:
    """What the reference was computed with."""
    return f"transformers {transformers.__version__}, torch {torch.__version__}, float32"


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays by name as safetensors; each `<sample>.<tensor>`."""
    save_file({name: torch.as_tensor(value).contiguous().numpy() for name, value in arrays.items()}, path)
