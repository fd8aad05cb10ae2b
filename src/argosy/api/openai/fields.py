"""The request fields of chat and text completions, and those that are refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import Refusal

_Stop = Annotated[str, Meta(min_length=1, max_length=256)]
_Bias = Annotated[float, Meta(ge=-100, le=100)]
_Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_Schema = dict[str, Any] | str
_Choices = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=1000)]

_ENGINE = "No engine here can do it; leave it out."
REFUSED: Mapping[str, Refusal] = {
    "best_of": Refusal((None, 1), "Answers are not ranked; ask for 'n' answers and choose."),
    "suffix": Refusal((None, ""), "No engine here fills in the middle; put everything in the prompt."),
    "prompt_logprobs": Refusal((None, 0), "Only the answer's tokens have log-probabilities; use 'logprobs'."),
    "functions": Refusal((None, []), "It is the old name; use 'tools'."),
    "function_call": Refusal((None, "none", "auto"), "It is the old name; use 'tool_choice'."),
    "modalities": Refusal((None, ["text"]), 'Answers are text only; leave it out or send ["text"].'),
    "audio": Refusal((None,), "Answers are text only; leave it out."),
    "prediction": Refusal((None,), _ENGINE),
    "web_search_options": Refusal((None,), "There is no web search here; offer one of your own in 'tools'."),
    "moderation": Refusal((None,), "Nothing here moderates; leave it out."),
    "chat_template": Refusal((None,), "Templates come with the model, never from a client; leave it out."),
    "cache_salt": Refusal((None,), "The prefix cache is the server's, one for all callers; leave it out."),
    "documents": Refusal((None, []), "Put the documents into a message."),
    "add_generation_prompt": Refusal((None, True), "The answer is always the assistant's; leave it out."),
    "continue_final_message": Refusal((None, False), "The answer is always a new message; use /v1/completions."),
    "guided_whitespace_pattern": Refusal((None,), "The engine decides about white space; leave it out."),
    "use_beam_search": Refusal((None, False), _ENGINE),
    "length_penalty": Refusal((None, 1), "There is no beam search here; leave it out."),
    "stop_token_ids": Refusal((None, []), "Use 'stop' with the text of the tokens."),
    "bad_words": Refusal((None, []), "Use 'logit_bias' with the ids of the tokens."),
    "skip_special_tokens": Refusal((None, True), "Special tokens are never shown; leave it out."),
    "logits_processors": Refusal((None, []), "Code from a client is never run; leave it out."),
    "truncate_prompt_tokens": Refusal((None,), "Prompts are never cut silently; shorten it before you send it."),
}
"""Fields of both routes that would change the answer and cannot be honoured."""

DEPENDS: Mapping[str, str] = {
    "logit_bias": "needs an engine with the feature logit_bias",
    "min_p": "needs an engine with the feature min_p",
    "response_format": "anything but text needs an engine with the feature constraint",
    "guided_json": "needs an engine with the feature constraint",
    "guided_choice": "needs an engine with the feature constraint",
    "guided_regex": "needs an engine with the feature constraint",
    "guided_grammar": "needs an engine with the feature constraint",
    "structured_outputs": "needs an engine with the feature constraint",
    **{
        f"nvext.{field}": "needs an engine with the feature constraint"
        for field in ("guided_json", "guided_choice", "guided_regex", "guided_grammar")
    },
    "response_format.json_schema.strict": "a schema is enforced whatever this says",
}
"""Fields of both routes that not every model can honour."""

NOTES: Mapping[str, str] = {"user": "taken; it changes no answer in the dialect either"}
"""What to know of fields that are supported on every route that has them."""

STRUCTURED_REFUSED: Mapping[str, str] = {
    "structural_tag": "Use 'tools', or a schema.",
    "whitespace_pattern": "The engine decides about white space; leave it out.",
    "disable_any_whitespace": "The engine decides about white space; leave it out.",
    "disable_additional_properties": 'Say "additionalProperties": false in the schema.',
}
"""Fields of `structured_outputs` that would change the answer and cannot be honoured."""

INNER_REFUSED: Mapping[str, str] = {f"structured_outputs.{name}": why for name, why in STRUCTURED_REFUSED.items()}

IGNORED: Mapping[str, str] = {
    "guided_decoding_backend": "there is one backend",
    "metadata": "nothing is stored",
    "store": "nothing is stored",
    "service_tier": "there is one tier",
    "safety_identifier": "nothing is moderated",
    "prompt_cache_key": "the prefix cache needs no key",
    "verbosity": "say it in a message",
    "stream_options.include_obfuscation": "nothing is padded",
    "response_format.json_schema.description": "the schema is all that the engine is told",
}
"""Fields that change no answer; the reply's header names them."""

FIELDS: Mapping[str, str] = {"include_stop": "include_stop_str_in_output", "sampling_parameters": "model"}
"""Names the engine uses for request fields that are called otherwise here."""


class StreamOptions(msgspec.Struct, frozen=True):
    """How a stream is sent."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """The schema of `response_format`; it is enforced whatever `strict` says."""

    name: _Name
    schema: dict[str, Any]
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StructuredOutputs(msgspec.Struct, frozen=True):
    """vLLM's newer object for one way of constraining; the last four fields are known in order to be refused."""

    json: _Schema | None = None
    choice: _Choices | None = None
    regex: str | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: Any = None
    whitespace_pattern: str | None = None
    disable_any_whitespace: bool | None = None
    disable_additional_properties: bool | None = None


class Nvext(msgspec.Struct, frozen=True):
    """NIM 1.x's extensions; each field means what it means beside `nvext`."""

    ignore_eos: bool | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=1_000_000)] | None = None
    guided_json: _Schema | None = None
    guided_choice: _Choices | None = None
    guided_regex: str | None = None
    guided_grammar: str | None = None


class GenerationBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of both routes; `null` means the default everywhere."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=1_000_000)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=16)] | None = None
    logit_bias: Annotated[dict[str, _Bias], Meta(max_length=1024)] | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    response_format: ResponseFormat | None = None
    guided_json: _Schema | None = None
    guided_choice: _Choices | None = None
    guided_regex: str | None = None
    guided_grammar: str | None = None
    structured_outputs: StructuredOutputs | None = None
    nvext: Nvext | None = None
    user: str | None = None

    @property
    def choices(self) -> int:
        """Answers wanted for each prompt."""
        return self.n or 1

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def wants_counts(self) -> bool:
        """Whether every chunk of a stream tells the token counts so far; as at vLLM, `include_usage` must ask too."""
        options = self.stream_options
        return options is not None and bool(self.stream and options.include_usage and options.continuous_usage_stats)
