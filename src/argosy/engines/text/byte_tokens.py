"""The bytes that a token of a Hugging Face tokenizer shows."""

from __future__ import annotations

import re

import tokenizers

_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
_WORD_MARK = "\u2581"


def token_table(tokenizer: tokenizers.Tokenizer, size: int) -> list[bytes]:
    """Bytes by token id, special tokens included; an id without a token has none.

    Byte-level vocabularies write each byte as one character; those with a mark for the space before a word write
    single bytes as `<0x0A>`. For any other kind the bytes are those of the token decoded alone.
    """
    kind = repr(tokenizer.decoder)
    characters = _byte_characters() if "ByteLevel" in kind else None
    added = tokenizer.get_added_tokens_decoder()
    table = [b""] * size
    for token, index in tokenizer.get_vocab(with_added_tokens=True).items():
        if index in added:
            table[index] = added[index].content.encode()
        elif characters is not None:
            table[index] = b"".join(characters.get(c, c.encode()) for c in token)
        elif _WORD_MARK in kind or "Metaspace" in kind or "ByteFallback" in kind:
            byte = _FALLBACK.fullmatch(token)
            table[index] = bytes.fromhex(byte[1]) if byte else token.replace(_WORD_MARK, " ").encode()
        else:
            table[index] = tokenizer.decode([index]).encode()
    return table


def special_tokens(tokenizer: tokenizers.Tokenizer) -> frozenset[int]:
    """Ids of the tokens that are no text."""
    added = tokenizer.get_added_tokens_decoder()
    return frozenset(index for index, token in added.items() if token.special)


def _byte_characters() -> dict[str, bytes]:
    """GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for the characters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    written = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    return {character: bytes([byte]) for character, byte in written.items()}
