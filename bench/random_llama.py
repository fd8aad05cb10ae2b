"""Write a Llama with random weights as a GGUF file: a language model of any size without a download.

    python bench/random_llama.py                  # 361 million parameters, Q8_0, into .work/bench/random-llama
    python bench/random_llama.py --layers 2 --hidden 64 --heads 4 --kv-heads 2 --ffn 128 --vocabulary 512 OUTPUT.gguf

What it says is noise; how fast it says it is what a trained model of the same shape would do. The file follows
the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) with a byte-level BPE
vocabulary ("gpt2" in GGUF's words) of 256 bytes, invented merges and two special tokens.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

DEFAULT_OUTPUT = Path(".work/bench/random-llama/1/model.gguf")
Weight = tuple[str, NDArray[np.float32]]
_NORMAL, _CONTROL = 1, 3
_CONSONANTS_THEN_VOWELS = ("etaoinshrdlcumwfgypbvk", "eaoiunrtsl")


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes of a Llama; the defaults make about 361 million parameters (tied embeddings).

    Attributes:
        hidden: width of a token's state; a multiple of 32 times `heads` when quantised.
        context_length: longest sequence the file claims to take.
    """

    layers: int = 32
    hidden: int = 960
    heads: int = 15
    kv_heads: int = 5
    ffn: int = 2560
    vocabulary: int = 49152
    context_length: int = 8192

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def parameters(self) -> int:
        """Number of weights, norms left out."""
        attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.head_size
        return self.layers * (attention + 3 * self.hidden * self.ffn) + self.vocabulary * self.hidden


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A byte-level BPE vocabulary in the spelling GPT-2 uses (every byte a printable character).

    Attributes:
        tokens: by id; the two special tokens come first.
        merges: pairs "left right", most important first.
    """

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    bos_id: int = 0
    eos_id: int = 1

    @property
    def types(self) -> list[int]:
        """GGUF's token types: control for the special tokens, normal for the rest."""
        return [_CONTROL if token in (self.bos_id, self.eos_id) else _NORMAL for token in range(len(self.tokens))]


def write_random_llama(path: Path, shape: LlamaShape, *, quantised: bool = True, seed: int = 0) -> None:
    """Write the model: Q8_0 weights when `quantised`, else F16. The same arguments give the same file."""
    weights = random_weights(shape, np.random.default_rng(seed))
    write_llama(path, shape, byte_level_vocabulary(shape.vocabulary), weights, quantised=quantised)


def write_llama(
    path: Path, shape: LlamaShape, vocabulary: Vocabulary, weights: Iterable[Weight], *, quantised: bool
) -> None:
    """Write a Llama with the given weights, matrices as Q8_0 or F16 and vectors as F32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = gguf.GGMLQuantizationType.Q8_0 if quantised else gguf.GGMLQuantizationType.F16
    writer = gguf.GGUFWriter(path, "llama")
    _write_header(writer, shape, quantised=quantised)
    _write_tokenizer(writer, vocabulary)
    for name, weight in weights:
        if weight.ndim == 1:
            writer.add_tensor(name, weight)
        else:
            writer.add_tensor(name, gguf.quantize(weight, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_weights(shape: LlamaShape, random: np.random.Generator) -> Iterator[Weight]:
    """Weights by GGUF name that keep the variance of what passes through them; embeddings are tied."""
    kv_width = shape.kv_heads * shape.head_size
    matrices = {
        "attn_q": (shape.heads * shape.head_size, shape.hidden),
        "attn_k": (kv_width, shape.hidden),
        "attn_v": (kv_width, shape.hidden),
        "attn_output": (shape.hidden, shape.heads * shape.head_size),
        "ffn_gate": (shape.ffn, shape.hidden),
        "ffn_up": (shape.ffn, shape.hidden),
        "ffn_down": (shape.hidden, shape.ffn),
    }
    norm = np.ones(shape.hidden, dtype=np.float32)
    yield "token_embd.weight", _matrix(random, shape.vocabulary, shape.hidden)
    yield "output_norm.weight", norm
    for layer in range(shape.layers):
        yield f"blk.{layer}.attn_norm.weight", norm
        yield f"blk.{layer}.ffn_norm.weight", norm
        for name, (rows, columns) in matrices.items():
            yield f"blk.{layer}.{name}.weight", _matrix(random, rows, columns)


def byte_level_vocabulary(size: int) -> Vocabulary:
    """256 bytes, two special tokens, and merges of letters up to `size` tokens; at least 258."""
    tokens = ["<|begin|>", "<|end|>", *gpt2_byte_characters()]
    known, merges = set(tokens), []
    for left, right in _letter_pairs(tokens):
        if len(tokens) >= size:
            break
        if left + right not in known:
            tokens.append(left + right)
            known.add(left + right)
            merges.append(f"{left} {right}")
    return Vocabulary(tuple(tokens), tuple(merges))


def gpt2_byte_characters() -> list[str]:
    """The printable character that stands for each byte value, as in GPT-2's vocabulary."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = itertools.count(256)
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def _letter_pairs(tokens: list[str]) -> itertools.chain[tuple[str, str]]:
    """Pairs whose halves are already in the (growing) list: syllables, then words with a space before, then longer."""
    first, second = _CONSONANTS_THEN_VOWELS
    space = gpt2_byte_characters()[ord(" ")]
    syllables = [(a, b) for a in first for b in second]
    words = [(space, a) for a in first] + [(space + a, b) for a, b in syllables if a != space]
    longer = (
        (left, right)
        for length in itertools.count(2)
        for left in [token for token in tokens[258:] if len(token) == length]
        for right in second
    )
    return itertools.chain(syllables, words, longer)


def _write_header(writer: gguf.GGUFWriter, shape: LlamaShape, *, quantised: bool) -> None:
    writer.add_name("random-llama")
    writer.add_context_length(shape.context_length)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantised else gguf.LlamaFileType.MOSTLY_F16)


def _write_tokenizer(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(list(vocabulary.merges))
    writer.add_bos_token_id(vocabulary.bos_id)
    writer.add_eos_token_id(vocabulary.eos_id)


def _matrix(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Rows whose product with a vector of unit variance again has unit variance."""
    return random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a Llama with random weights as a GGUF file.")
    parser.add_argument("output", nargs="?", type=Path, default=DEFAULT_OUTPUT)
    defaults = LlamaShape()
    for name in LlamaShape.__slots__:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    parser.add_argument("--f16", action="store_true", help="16-bit weights instead of Q8_0")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shape = LlamaShape(**{name: getattr(arguments, name) for name in LlamaShape.__slots__})
    write_random_llama(arguments.output, shape, quantised=not arguments.f16, seed=arguments.seed)
    size = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {shape.parameters / 1e6:.0f} million parameters, {size:.0f} MB")


if __name__ == "__main__":
    main()
