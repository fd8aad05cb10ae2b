"""Tokenizers of the kinds language models use, small and made on the spot."""

from __future__ import annotations

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

_WORDS = ("the", "river", "stone", "é", "日本")


def byte_level() -> tokenizers.Tokenizer:
    """As GPT-2, Llama 3 and Qwen: every byte is a token; no unknown text. Token ids of bytes are 0 to 255."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    return tokenizer


def metaspace() -> tokenizers.Tokenizer:
    """As Llama 2 and Mistral: words with a mark for the space before, single bytes for everything unknown."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *_WORDS, *(f"▁{word}" for word in _WORDS)]
    merges = [("▁", word) for word in _WORDS if len(word) == 1]
    tokenizer = tokenizers.Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def word_piece() -> tokenizers.Tokenizer:
    """As BERT's family: words and the pieces that continue them."""
    tokens = ["[UNK]", "the", "river", "##s", "##bed", "stone", ",", "."]
    tokenizer = tokenizers.Tokenizer(
        models.WordPiece(vocab={token: index for index, token in enumerate(tokens)}, unk_token="[UNK]")
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
