"""What this engine and its worker say to each other beside the words of `argosy.engines.workers.messages`."""

from __future__ import annotations

import msgspec

from argosy.engines.grammar.messages import Grammar
from argosy.engines.workers.messages import Cancel, LoadFailed, Step


class Load(msgspec.Struct, tag=True, frozen=True):
    """First word to a worker: what to load and how to run it.

    Attributes:
        model: a `.gguf` file, or `openvino_model.xml` in a folder of OpenVINO GenAI files.
        precision: arithmetic asked for; the worker falls back to f32 where the machine lacks it.
        cache_gib: memory for the KV cache, GiB.
        max_num_batched_tokens: most tokens in one forward pass; longer prompts are read in pieces.
        max_num_seqs: most requests in one forward pass; more wait.
        kv_cache_precision: empty means the library's choice.
        eos_token_ids: empty means what the model's own files say.
        adapter: a LoRA adapter's safetensors file; empty means none.
        adapter_scale: what the product of its matrices is multiplied with.
    """

    model: str
    threads: int
    precision: str
    cache_gib: int
    max_num_batched_tokens: int
    max_num_seqs: int
    kv_cache_precision: str
    dynamic_split_fuse: bool
    prefix_caching: bool
    eos_token_ids: tuple[int, ...]
    adapter: str = ""
    adapter_scale: float = 1.0


class Settings(msgspec.Struct, frozen=True):
    """How to continue one prompt, every value already checked.

    Attributes:
        temperature: 0 is greedy.
        top_k: 0 means all.
        seed: 0 to 2**64 - 1.
        min_p: 0 means all.
        logprobs: whether the tokens' log-probabilities are wanted.
        constraint: None leaves the answer free.
    """

    max_tokens: int
    min_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int
    ignore_eos: bool
    min_p: float = 0.0
    logprobs: bool = False
    constraint: Grammar | None = None


class Add(msgspec.Struct, tag=True, frozen=True):
    """Queue a generation.

    Attributes:
        tokens: the prompt, little-endian INT64.
    """

    handle: int
    tokens: bytes
    settings: Settings


class Forget(msgspec.Struct, tag=True, frozen=True):
    """Build the pipeline anew as soon as nothing runs: only so does it let go of the constraints it has compiled."""


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The model is loaded and warm.

    Attributes:
        cache_tokens: tokens the KV cache holds.
        eos_token_ids: tokens that end an answer.
        precision: arithmetic in use.
        constraints: whether answers can be held to a constraint, which needs a tokenizer of the library's.
    """

    cache_tokens: int
    eos_token_ids: tuple[int, ...]
    precision: str
    constraints: bool


Command = Load | Add | Cancel | Forget
Report = Ready | LoadFailed | Step

decode_command = msgspec.msgpack.Decoder(Command).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
