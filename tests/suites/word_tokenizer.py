"""A small real tokenizer for the encoders that tests make."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "ship", "sails", "over", "a", "calm", "sea", "query:", "passage:")
CLS, SEP = 2, 3


def word_ids(text: str) -> list[int]:
    """The token ids of a text, special tokens included."""
    return [CLS, *(WORDS.index(word) if word in WORDS else 1 for word in text.split()), SEP]


def write_tokenizer(path: Path) -> None:
    """One token a word, [CLS] and [SEP] around a text, [SEP] between the texts of a pair."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    tokenizer.enable_truncation(4)
    tokenizer.save(str(path))
