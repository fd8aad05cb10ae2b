"""What an engine is. The page to read before writing one; `engines/echo` is the smallest example.

An engine turns tensors into tensors (`TensorEngine`) or a prompt into chunks of text (`GenerationEngine`). It
knows no wire format, no HTTP and no Triton; the runtime hosts it and speaks to it through this module only.

Guarantees an engine gives (`tests/suites/engine_contract.py` checks each sentence for every engine):

* After `start` returns the engine answers; nothing is compiled, loaded or fetched on the first request.
* `start` raises `InvalidModelEntry` for a broken or missing file, naming it, and `MissingRequirement` for a
  missing library, with the command that adds it. Nothing else escapes `start` for those causes.
* `stop` frees everything, may be called after a failed `start`, and a second `stop` does nothing.
* One bad request never fails its neighbours: `infer` returns one result or error per request, in order.
* Input over the model's length is `InputTooLong` whose message has the words "exceeds maximum allowed"; it
  never reaches the network.
* The same input gives the same output whatever else shares the batch, within the precision of the profile.
* A cancelled generation ends with finish reason "cancelled" and frees its slot and cache within 1 s.
* Every generation that `submit` accepts ends in exactly one call with `finish_reason` set or one with `error`
  set, whatever happens, `stop` included. `submit` itself raises for a request that cannot run.
* The texts of a generation's chunks joined are the answer; no chunk splits a UTF-8 character.
* A constraint that cannot be compiled, or not within 2 s, is `InvalidRequest`, costs no other generation anything and
  leaves the engine as it was. An answer that ends with "stop" satisfies its constraint.
* What the engine's `features` lack is `UnsupportedParameter` naming the field of `Sampling`.

Guarantees the host gives: `start` and `stop` are never concurrent with anything; `infer` is called from one
thread; `submit` and `cancel` may come from any thread; the callback given to `submit` is thread-safe, fast and
does not raise.

Model input and output tensors by task (Triton names, shape without the batch dimension):

=========  ========================================================  ==========================================
task       inputs                                                    outputs
=========  ========================================================  ==========================================
embed      text BYTES [1]  or  token_ids INT32 [-1] padded with -1   embedding FP32 [d], tokens INT32 [1]
rank       query BYTES [1], passage BYTES [1]                        logit FP32 [1], tokens INT32 [1]
classify   text BYTES [1]                                            probabilities FP32 [n], tokens INT32 [1]
tensor     as the network names them                                 as the network names them
generate   text_input BYTES [1]  or  input_ids INT32 [-1];           text_output BYTES [1], finish_reason
           sampling_parameters BYTES [1] (JSON)                      BYTES [1], num_input_tokens, and
                                                                     num_output_tokens INT32 [1],
                                                                     logprobs BYTES [1] (JSON)
=========  ========================================================  ==========================================

`tokens` counts the tokens the network read, special tokens included. Encoder requests carry the request
parameters `truncate` (NONE, START, END) and `input_type` (query, passage); absent means NONE and no prefix.
The names of the generate tensors are those of Triton's vLLM backend, so that its clients work unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from argosy.core.errors import ArgosyError
from argosy.core.models import ModelSpec
from argosy.core.tensors import Tensor
from argosy.engines.deployment import DeploymentOption


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the host tells an engine about its place in the world.

    Attributes:
        directory: the version folder; every file of the model is below it.
        threads: processor threads the engine may keep busy, at least 1.
        max_batch_size: most rows in one `infer` call, 0 when the model has no batch dimension.
        parameters: engine-specific options of this deployment, string to string, as in `config.pbtxt`.
    """

    directory: Path
    threads: int = 1
    max_batch_size: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TensorRequest:
    """One caller's tensors, batch dimension first."""

    inputs: Mapping[str, Tensor]
    parameters: Mapping[str, Any] = field(default_factory=dict)


TensorResult = Mapping[str, Tensor] | ArgosyError
"""Outputs by name, or why this request has none."""


class Feature(StrEnum):
    """What a generation engine may or may not be able to do. A gateway refuses what is missing before the engine."""

    LOGPROBS = "logprobs"
    TOP_LOGPROBS = "top_logprobs"
    LOGIT_BIAS = "logit_bias"
    MIN_P = "min_p"
    CONSTRAINT = "constraint"
    ADAPTER = "adapter"


class ConstraintKind(StrEnum):
    """The language a constraint is written in.

    EBNF is xgrammar's (GBNF); a structural tag is its JSON form `{"type": "structural_tag", "format": …}`, which
    joins fixed texts, schemas and alternatives.
    """

    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    EBNF = "ebnf"
    STRUCTURAL_TAG = "structural_tag"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer must look like, from its first to its last character."""

    kind: ConstraintKind
    text: str


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that was produced, or could have been.

    Attributes:
        token: its bytes, which may be a part of a character.
        logprob: natural logarithm of its probability before temperature and truncation where the engine can tell.
        top: the likeliest tokens at this place, likeliest first; empty unless asked for.
    """

    token: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to continue a prompt.

    Attributes:
        max_tokens: most tokens to produce; None means up to the context length.
        temperature: 0 is greedy.
        top_k: 0 means all.
        seed: reproduces the answer; None draws one.
        stop: texts that end the answer and are not part of it.
        ignore_eos: run to `max_tokens` (benchmarks).
        add_special_tokens: whether the tokenizer adds its own start token; false for rendered chat templates.
        include_stop: leave a matched stop text in the answer.
        min_p: tokens less likely than this share of the likeliest are not drawn; 0 means all.
        logprobs: tell the log-probability of every token produced.
        top_logprobs: and of this many of the likeliest at each place.
        logit_bias: added to the logit of each token id.
        constraint: None leaves the answer free.
        counts: tell the token counts with every chunk and not only with the last.
    """

    max_tokens: int | None = None
    min_tokens: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    add_special_tokens: bool = True
    include_stop: bool = False
    min_p: float = 0.0
    logprobs: bool = False
    top_logprobs: int = 0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    constraint: Constraint | None = None
    counts: bool = False


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A prompt, as text or as token ids (1-D INT32), and how to continue it."""

    prompt: str | Tensor
    sampling: Sampling = Sampling()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer.

    Attributes:
        text: new text, possibly empty.
        finish_reason: None while running; "stop", "length" or "cancelled" in the last chunk.
        num_input_tokens: length of the prompt in tokens.
        num_output_tokens: tokens produced so far, the end token included.
        logprobs: of the tokens whose text this chunk begins to show, in order; empty unless asked for. Joined over the
            chunks there is one for each token of the answer, the end token and a removed stop text left out.
        error: why the generation ended without an answer; then `finish_reason` is None and this is the last.
    """

    text: str = ""
    finish_reason: str | None = None
    num_input_tokens: int = 0
    num_output_tokens: int = 0
    error: ArgosyError | None = None
    logprobs: tuple[TokenLogprob, ...] = ()

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.finish_reason is not None or self.error is not None


Emit = Callable[[Chunk], None]


class Engine(Protocol):
    """Life cycle shared by both kinds."""

    def start(self) -> None:
        """Load and warm up; see the guarantees above."""

    def stop(self) -> None:
        """Free everything; idempotent."""

    def metrics(self) -> Mapping[str, float]:
        """Current gauges by short name; empty when there is nothing to say. Cheap, callable at any time."""
        ...


@runtime_checkable
class TensorEngine(Engine, Protocol):
    """Tensors in, tensors out."""

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """Run requests together; one result per request, in order. Never raises."""
        ...


@runtime_checkable
class GenerationEngine(Engine, Protocol):
    """A prompt in, chunks of text out, many at once (continuous batching).

    `metrics` reports at least `running`, `waiting` (requests) and `kv_cache_usage` (0 to 1).
    """

    def submit(self, request: GenerationRequest, emit: Emit) -> int:
        """Queue a generation; `emit` gets its chunks from the engine's thread.

        Returns:
            A handle for `cancel`.

        Raises:
            InvalidRequest: empty prompt, a sampling value the engine cannot honour.
            InputTooLong: prompt and `max_tokens` exceed the context length.
            EngineError: the engine is not running.
        """
        ...

    def cancel(self, handle: int) -> None:
        """End a generation early; unknown or finished handles are ignored."""


@dataclass(frozen=True, slots=True)
class EngineFactory:
    """How the registry makes one engine.

    Attributes:
        name: `argosy_<name>` is the Triton backend.
        create: builds the engine; imports its library only when called.
        features: what its generations can do beyond the plain.
        options: what an operator may say of how it runs models; see `argosy.engines.deployment`.
    """

    name: str
    create: Callable[[ModelSpec, EngineOptions], TensorEngine | GenerationEngine]
    features: frozenset[Feature] = frozenset()
    options: frozenset[DeploymentOption] = frozenset()
