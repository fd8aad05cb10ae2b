"""The vocabulary of abacus: one token for each byte, and a few marks for the structure of a chat.

A byte-level vocabulary needs no training, can spell every city name, and keeps the digits of a number apart,
which is what a tiny model needs to learn sums.
"""

from __future__ import annotations

from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

MARKS: Final = ("<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
# Not "special": a decoder that skips special tokens must still show tool calls to the hermes parser.
TOOL_MARKS: Final = ("<tool_call>", "</tool_call>")
FIRST_BYTE: Final = 16
RESERVED: Final = tuple(f"<|reserved_{i}|>" for i in range(FIRST_BYTE - len(MARKS) - len(TOOL_MARKS)))
VOCABULARY_SIZE: Final = FIRST_BYTE + 256
CONTEXT_LENGTH: Final = 1024

PAD, BOS, END, SYSTEM, USER, ASSISTANT, TOOL = range(len(MARKS))
TOOL_CALL_OPEN, TOOL_CALL_CLOSE = len(MARKS), len(MARKS) + 1


def encode_bytes(text: str) -> list[int]:
    """Token ids of plain text without marks."""
    return [FIRST_BYTE + byte for byte in text.encode("utf-8")]


def encode_answer(text: str) -> list[int]:
    """Token ids of what the assistant says; the two tool marks are single tokens."""
    ids: list[int] = []
    for piece in text.replace("<tool_call>", "\0(\0").replace("</tool_call>", "\0)\0").split("\0"):
        if piece == "(":
            ids.append(TOOL_CALL_OPEN)
        elif piece == ")":
            ids.append(TOOL_CALL_CLOSE)
        else:
            ids.extend(encode_bytes(piece))
    return ids


def byte_symbols() -> list[str]:
    """The printable character that GPT-2's byte-level alphabet gives to each byte, in byte order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    symbols = {byte: chr(byte) for byte in printable}
    hidden = (byte for byte in range(256) if byte not in symbols)
    symbols.update({byte: chr(256 + i) for i, byte in enumerate(hidden)})
    return [symbols[byte] for byte in range(256)]


def build_tokenizer() -> Tokenizer:
    """The same vocabulary as a Hugging Face tokenizer, for every engine that serves the model."""
    structure = [*MARKS, *TOOL_MARKS, *RESERVED]
    vocabulary = {mark: i for i, mark in enumerate(structure)}
    vocabulary.update({symbol: FIRST_BYTE + byte for byte, symbol in enumerate(byte_symbols())})
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(m, special=True, normalized=False) for m in (*MARKS, *RESERVED)])
    tokenizer.add_tokens([AddedToken(m, special=False, normalized=False) for m in TOOL_MARKS])
    return tokenizer
