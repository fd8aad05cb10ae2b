"""The engine's options, from the strings of a deployment's `config.pbtxt` parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from argosy.core.errors import InvalidModelEntry
from argosy.engines.deployment import DeploymentOption

_CHUNKED_PREFILL = DeploymentOption.CHUNKED_PREFILL
"""Other engines' name for `dynamic_split_fuse`; it wins."""
_KV_PRECISIONS = ("u8", "i8", "bf16", "f16", "f32")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How the pipeline schedules.

    Attributes:
        kv_cache_gib: memory for the KV cache, GiB; allocated at start.
        max_num_seqs: most generations in one forward pass; more wait.
        max_num_batched_tokens: most tokens in one forward pass. A longer prompt is read in pieces, so that
            answers under way go on meanwhile; smaller is smoother for them, larger reads prompts faster.
        dynamic_split_fuse: read prompts and continue answers in the same forward pass.
        enable_prefix_caching: keep the KV cache of finished prompts for later ones that begin the same.
        kv_cache_precision: one of u8, i8, bf16, f16, f32; empty means the library's choice for this processor.
        start_timeout_s: seconds that loading may take.
        grammar_budget_ms: milliseconds that compiling one request's constraint may keep all others waiting; what takes
            longer is refused.
    """

    kv_cache_gib: int = 1
    max_num_seqs: int = 64
    max_num_batched_tokens: int = 256
    dynamic_split_fuse: bool = True
    enable_prefix_caching: bool = True
    kv_cache_precision: str = ""
    start_timeout_s: int = 600
    grammar_budget_ms: int = 250


def parse(parameters: Mapping[str, str]) -> PipelineOptions:
    """The options in `parameters`; keys of other parts of the system are ignored.

    Raises:
        InvalidModelEntry: a value cannot be used; the message names the parameter.
    """
    readers: dict[str, Callable[[str], int | bool | str]] = {
        "kv_cache_gib": _positive,
        "max_num_seqs": _positive,
        "max_num_batched_tokens": _positive,
        "dynamic_split_fuse": _switch,
        "enable_prefix_caching": _switch,
        "kv_cache_precision": _kv_precision,
        "start_timeout_s": _positive,
        "grammar_budget_ms": _positive,
    }
    given = {**parameters}
    if _CHUNKED_PREFILL in given:
        given["dynamic_split_fuse"] = _read(_CHUNKED_PREFILL, given[_CHUNKED_PREFILL], _switch_text)
    values = {key: _read(key, given[key], read) for key, read in readers.items() if key in given}
    options = PipelineOptions(**values)  # type: ignore[arg-type]  # each reader gives its field's type
    return _with_a_token_for_each(options, answers_given="max_num_seqs" in given)


def _with_a_token_for_each(options: PipelineOptions, *, answers_given: bool) -> PipelineOptions:
    """The library loads nothing where a pass has fewer tokens than answers: each needs one."""
    answers, tokens = options.max_num_seqs, options.max_num_batched_tokens
    if answers <= tokens:
        return options
    if answers_given:
        return replace(options, max_num_batched_tokens=answers)
    return replace(options, max_num_seqs=tokens)


def _read(key: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise InvalidModelEntry(f"Parameter {key!r} of the model's config.pbtxt is {text!r}; {error}.") from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("write a whole number of at least 1")
    return int(text)


def _switch(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("write 'true' or 'false'")
    return text == "true"


def _switch_text(text: str) -> str:
    _switch(text)
    return text


def _kv_precision(text: str) -> str:
    if text not in _KV_PRECISIONS:
        raise ValueError(f"write one of {', '.join(_KV_PRECISIONS)}")
    return text
