"""What this engine and its worker say to each other beside the words of `argosy.engines.workers.messages`."""

from __future__ import annotations

from typing import Any

import msgspec

from argosy.engines.grammar.messages import Grammar
from argosy.engines.workers.messages import Cancel, LoadFailed, Step


class Settings(msgspec.Struct, frozen=True):
    """How to continue one prompt, every value already checked.

    Attributes:
        arguments: of the library's `SamplingParams`.
        logit_bias: added to the logit of each token id.
        constraint: None leaves the answer free.
    """

    arguments: dict[str, Any]
    logit_bias: dict[int, float]
    constraint: Grammar | None = None


class Load(msgspec.Struct, tag=True, frozen=True):
    """First word to a worker: what to load and how to run it.

    Attributes:
        arguments: of the library's `LLM`.
        adapter: folder of a LoRA adapter that every generation goes through; empty without one.
        vocabulary: number of tokens that the network has a logit for.
        slots: most generations in one forward pass.
        patience: seconds without a sign of life after which the worker gives itself up.
        warm: how a prompt of one token is continued before anybody else may.
    """

    arguments: dict[str, Any]
    adapter: str
    vocabulary: int
    slots: int
    patience: float
    warm: Settings


class Add(msgspec.Struct, tag=True, frozen=True):
    """Begin a generation.

    Attributes:
        tokens: the prompt, INT64 in this machine's order.
    """

    handle: int
    tokens: bytes
    settings: Settings


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The model is loaded and warm.

    Attributes:
        context_length: most tokens of prompt and answer together that the library's KV cache can hold.
        end_token: the token that the library's tokenizer takes for the end of an answer.
    """

    context_length: int
    end_token: int | None


def end_tokens(settings: Settings) -> tuple[int, ...]:
    """Tokens that end an answer, the library's own end token first; none when it ignores them."""
    end, others = settings.arguments.get("end_id"), settings.arguments.get("stop_token_ids")
    return () if end is None or end < 0 else (end, *(others or ()))


Command = Load | Add | Cancel
Report = Ready | LoadFailed | Step

decode_command = msgspec.msgpack.Decoder(Command).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
