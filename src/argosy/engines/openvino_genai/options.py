"""The engine's options, from the strings of a deployment's `config.pbtxt` parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from argosy.engines.deployment import DeploymentOption
from argosy.engines.parameters import one_of, positive, read, read_given, switch

_CHUNKED_PREFILL = DeploymentOption.CHUNKED_PREFILL
"""Other engines' name for `dynamic_split_fuse`; it wins."""
_KV_PRECISIONS = ("u8", "i8", "bf16", "f16", "f32")


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
    readers: dict[str, Callable[[str], object]] = {
        "kv_cache_gib": positive,
        "max_num_seqs": positive,
        "max_num_batched_tokens": positive,
        "dynamic_split_fuse": switch,
        "enable_prefix_caching": switch,
        "kv_cache_precision": one_of(_KV_PRECISIONS),
        "start_timeout_s": positive,
        "grammar_budget_ms": positive,
    }
    given = {**parameters}
    if _CHUNKED_PREFILL in given:
        read(_CHUNKED_PREFILL, given[_CHUNKED_PREFILL], switch)
        given["dynamic_split_fuse"] = given[_CHUNKED_PREFILL]
    options = PipelineOptions(**read_given(given, readers))  # type: ignore[arg-type]  # each reader gives its field's type
    return _with_a_token_for_each(options, answers_given="max_num_seqs" in given)


def _with_a_token_for_each(options: PipelineOptions, *, answers_given: bool) -> PipelineOptions:
    """The library loads nothing where a pass has fewer tokens than answers: each needs one."""
    answers, tokens = options.max_num_seqs, options.max_num_batched_tokens
    if answers <= tokens:
        return options
    if answers_given:
        return replace(options, max_num_batched_tokens=answers)
    return replace(options, max_num_seqs=tokens)
