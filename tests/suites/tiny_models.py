"""Makers of tiny language models for tests: real files that the real engines load, made without any download.

The tiny model recites. Its layers are random and nearly silent; its embedding and output matrices are built so
that each token has one likely successor, far enough ahead that no rounding changes a greedy answer:

* After any prompt comes `RECITATION`, over and over. Its characters of two, three and four bytes are spelled one
  byte a token, so that every one of them is split between tokens.
* After a prompt that ends in "?" comes `REPLY` and then the end token.
* At temperature 1 and above it strays from its text, differently for each seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from bench.random_llama import LlamaShape, Vocabulary, Weight, gpt2_byte_characters, random_weights, write_llama

RECITATION = " river stone é cloud garden 日 window letter 🙂 music silver"
REPLY = " yes indeed"
CONTEXT_LENGTH = 65536
"""Long enough that an answer to the end of it takes many seconds."""

_FIRST_BYTE = 2
_MERGE = ("t", "h")
"""A vocabulary without any merge is not accepted."""
_LIKELIHOOD = 7.0
"""Logit of the likely successor; all others have about 0. At temperature 1 it is chosen four times in five."""
_LAYER_VOLUME = 0.02


@dataclass(frozen=True)
class TinyLanguageModel:
    """What the tiny model is made of.

    Attributes:
        successor: likely next token by token.
    """

    shape: LlamaShape
    vocabulary: Vocabulary
    successor: tuple[int, ...]

    @classmethod
    def make(cls) -> TinyLanguageModel:
        """The one tiny model there is; always the same."""
        words = sorted({word for word in f"{RECITATION}{REPLY}".split() if word.isascii()})
        vocabulary = Vocabulary(
            ("<|begin|>", "<|end|>", *gpt2_byte_characters(), "".join(_MERGE), *(_word_token(word) for word in words)),
            (" ".join(_MERGE),),
        )
        ids = {token: index for index, token in enumerate(vocabulary.tokens)}
        recitation, reply = _token_ids(RECITATION, ids), _token_ids(REPLY, ids)
        successor = dict.fromkeys(range(len(vocabulary.tokens)), recitation[0])
        successor |= dict(zip(recitation, recitation[1:] + recitation[:1], strict=True))
        question = ids["?"]
        successor |= dict(zip([question, *reply], [*reply, vocabulary.eos_id], strict=True))
        shape = LlamaShape(
            layers=2,
            hidden=512,
            heads=8,
            kv_heads=2,
            ffn=512,
            vocabulary=len(vocabulary.tokens),
            context_length=CONTEXT_LENGTH,
        )
        return cls(shape, vocabulary, tuple(successor[token] for token in range(shape.vocabulary)))

    def weights(self) -> list[Weight]:
        """Random weights turned down, and matrices that lead from each token to its successor."""
        random = np.random.default_rng(0)
        weights = {name: weight * _volume(name) for name, weight in random_weights(self.shape, random)}
        embedding = random.standard_normal((self.shape.vocabulary, self.shape.hidden), dtype=np.float32)
        wanted = np.zeros((self.shape.vocabulary, self.shape.vocabulary), dtype=np.float32)
        wanted[np.arange(self.shape.vocabulary), self.successor] = _LIKELIHOOD
        # The state is wider than the vocabulary is long, so that these logits can be had exactly.
        output = (np.linalg.pinv(_rms_normalised(embedding)) @ wanted).T
        return list({**weights, "token_embd.weight": embedding, "output.weight": output}.items())

    def tokenizer(self) -> tokenizers.Tokenizer:
        """The vocabulary as a Hugging Face tokenizer that frames a document with the begin token."""
        ids = {token: index for index, token in enumerate(self.vocabulary.tokens)}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=ids, merges=[_MERGE]))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", self.vocabulary.bos_id)]
        )
        tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
        return tokenizer


def write_tiny_gguf(path: Path) -> None:
    """Write the tiny model as a GGUF file, tokenizer included."""
    model = TinyLanguageModel.make()
    write_llama(path, model.shape, model.vocabulary, model.weights(), quantised=False)


def write_tiny_ir(directory: Path, *, tokenizer_json: bool = True) -> None:
    """Write the tiny model as `openvino_model.xml` and `.bin`, with `tokenizer.json` or OpenVINO's own tokenizer."""
    import openvino_genai  # noqa: PLC0415 - only these tests need the library

    path = directory / "from.gguf"
    write_tiny_gguf(path)
    scheduling = openvino_genai.SchedulerConfig()
    scheduling.num_kv_blocks = 1
    save = {"enable_save_ov_model": True}
    openvino_genai.ContinuousBatchingPipeline(path, scheduling, "CPU", save, save)
    path.unlink()
    if tokenizer_json:
        for leftover in directory.glob("openvino_*tokenizer.*"):
            leftover.unlink()
        TinyLanguageModel.make().tokenizer().save(str(directory / "tokenizer.json"))


def tiny_spec(model: str = "model.gguf", *, precision: str = "f32") -> ModelSpec:
    """The model entry that goes with a file written here."""
    vocabulary = TinyLanguageModel.make().vocabulary
    return ModelSpec(
        name="tiny",
        task=Task.GENERATE,
        engine="openvino_genai",
        model=model,
        profile=ProfileSpec(precision=precision),
        generate=GenerateSpec(context_length=CONTEXT_LENGTH, eos_token_ids=(vocabulary.eos_id,)),
    )


def _token_ids(text: str, ids: dict[str, int]) -> list[int]:
    """Words as one token each, anything else one token a byte; every token at most once."""
    tokens: list[int] = []
    for piece in text.split(" ")[1:]:
        word = ids.get(_word_token(piece))
        tokens += [word] if word is not None else [_FIRST_BYTE + byte for byte in piece.encode()]
    if len(set(tokens)) < len(tokens):
        raise ValueError(f"{text!r} uses a token twice and would go round in a smaller circle")
    return tokens


def _word_token(word: str) -> str:
    """A word with the space before it, in the vocabulary's spelling."""
    return gpt2_byte_characters()[ord(" ")] + word


def _rms_normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the last norm makes of the embedding, the layers being silent."""
    normalised: NDArray[np.float32] = rows / np.sqrt(np.mean(rows**2, axis=1, keepdims=True))
    return normalised


def _volume(name: str) -> np.float32:
    return np.float32(_LAYER_VOLUME if name.endswith(("attn_output.weight", "ffn_down.weight")) else 1.0)
