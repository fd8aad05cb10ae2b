"""Answers as the official `openai` client and vLLM's clients expect them."""

from __future__ import annotations

from typing import Literal

import msgspec

from argosy.api.openai.logprobs import ChatLogprobs, TextLogprobs

encode = msgspec.json.Encoder().encode


class Usage(msgspec.Struct, frozen=True):
    """Token counts of a generation."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, completion_tokens: int) -> Usage:
        """Both counts and their sum."""
        return cls(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens)


class InputUsage(msgspec.Struct, frozen=True):
    """Token counts of an encoder's inputs."""

    prompt_tokens: int
    total_tokens: int


class FunctionCall(msgspec.Struct, frozen=True):
    """What is to be called; `arguments` is JSON text as the model wrote it, so check it before use."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """A call the assistant asks for."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatMessage(msgspec.Struct, frozen=True):
    """The assistant's words; `content` is null when there are tool calls and nothing else."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None = None
    tool_calls: list[ToolCall] | msgspec.UnsetType = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class ChatChoice(msgspec.Struct, frozen=True):
    """One answer of a chat."""

    index: int
    message: ChatMessage
    finish_reason: str
    logprobs: ChatLogprobs | None = None


class ChatCompletion(msgspec.Struct, frozen=True):
    """`chat.completion`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: str | None = None


class TextChoice(msgspec.Struct, frozen=True):
    """One answer to a prompt."""

    index: int
    text: str
    finish_reason: str
    logprobs: TextLogprobs | None = None


class TextCompletion(msgspec.Struct, frozen=True):
    """`text_completion`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    system_fingerprint: str | None = None


class Embedding(msgspec.Struct, frozen=True):
    """One vector, as numbers or as base64 of little-endian FP32."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(msgspec.Struct, frozen=True):
    """The vectors of a request, in the order of its inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: InputUsage


class Classified(msgspec.Struct, frozen=True):
    """One text's classes; `label` is the likeliest."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class ClassificationList(msgspec.Struct, frozen=True):
    """vLLM's answer to `/classify`."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[Classified]
    usage: Usage


class ModelPermission(msgspec.Struct, frozen=True):
    """What OpenAI's old clients and NIM's read beside a model."""

    id: str
    object: Literal["model_permission"]
    created: int
    allow_create_engine: bool = False
    allow_sampling: bool = True
    allow_logprobs: bool = False
    allow_search_indices: bool = False
    allow_view: bool = True
    allow_fine_tuning: bool = False
    organization: str = "*"
    group: str | None = None
    is_blocking: bool = False


class ModelCard(msgspec.Struct, frozen=True):
    """A served model; `root` is the name behind an alias, `task` what it does."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    parent: str | None
    max_model_len: int
    permission: list[ModelPermission]
    task: str


class ModelList(msgspec.Struct, frozen=True):
    """Every served model."""

    object: Literal["list"]
    data: list[ModelCard]
