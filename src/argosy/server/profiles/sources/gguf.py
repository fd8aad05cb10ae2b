"""A `.gguf` file. Source of the keys: ggml's `docs/gguf.md`."""

from __future__ import annotations

from pathlib import Path

from argosy.core.models import Task
from argosy.server.artifacts.readers.gguf_header import read_metadata
from argosy.server.profiles.facts import BITS, Facts, Form


def read(path: Path, name: str) -> Facts:
    """The facts of the language model in a GGUF file.

    Raises:
        InvalidModelEntry: the file cannot be read.
    """
    metadata = read_metadata(path)
    family = metadata.text("general.architecture")

    def number(key: str) -> int:
        return metadata.number(f"{family}.{key}") or 0

    stored = metadata.stored
    size = path.stat().st_size
    heads, hidden = number("attention.head_count"), number("embedding_length")
    return Facts(
        name=name,
        task=Task.GENERATE,
        form=Form.GGUF,
        parameters=int(size * 8 / BITS[stored]) if stored in BITS else 0,
        stored=stored,
        weight_bytes=size,
        architecture=family,
        context=number("context_length"),
        layers=number("block_count"),
        hidden=hidden,
        intermediate=number("feed_forward_length"),
        heads=heads,
        kv_heads=number("attention.head_count_kv") or heads,
        head_size=number("attention.key_length") or (hidden // heads if heads else 0),
        vocabulary=number("vocab_size") or len(metadata.strings("tokenizer.ggml.tokens")),
        origin={"bytes": size, "architecture": family, "stored": stored},
    )
