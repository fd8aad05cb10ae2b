"""From the library's results to token ids, log-probabilities and reasons; imports no library.

Sources: https://nvidia.github.io/TensorRT-LLM (1.2), LLM API, `CompletionOutput`; of the iteration statistics, what
`trtllm-serve` shows at `/metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from argosy.engines.text.logprobs import LEAST

_REASONS = frozenset({"stop", "length", "cancelled"})


class Output(Protocol):
    """What of a `CompletionOutput` is read. It grows from one response to the next.

    Attributes:
        token_ids: all tokens so far.
        logprobs: for each token its log-probability, or a mapping from token ids to objects with a `logprob`.
        finish_reason: "stop", "length", "cancelled" or "timeout" once it is over.
    """

    token_ids: Sequence[int]
    logprobs: Sequence[Any] | None
    finish_reason: str | None

    @property
    def token_ids_diff(self) -> Sequence[int]:
        """Tokens of the last response."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """What one response brought to a generation.

    Attributes:
        tokens: new ones.
        logprobs: theirs; empty unless wanted.
        reason: why the generation is over, as in `Finish`; empty while it goes on.
    """

    tokens: list[int]
    logprobs: list[float]
    reason: str


def read_piece(output: Output, *, over: bool, logprobs: bool, ends: Sequence[int] = ()) -> Piece:
    """What the last response brought.

    Args:
        output: the library's.
        over: whether the library says that nothing follows.
        logprobs: whether they are wanted.
        ends: tokens that end the answer, the library's own end token first.
    """
    tokens = list(output.token_ids_diff)
    likely = _likely(output, tokens) if logprobs else []
    if not over:
        return Piece(tokens, likely, "")
    reason = output.finish_reason
    if reason == "stop" and ends and (not output.token_ids or output.token_ids[-1] not in ends):
        # The sampler keeps the end token to itself, and it was produced as well.
        tokens.append(ends[0])
        likely += [LEAST] if logprobs else []
    return Piece(tokens, likely, reason if reason in _REASONS else "fault")


def cache_usage(stats: Mapping[str, Any]) -> float:
    """How full the KV cache is by the statistics of an iteration, 0 to 1; 0 where they do not say."""
    cache = stats.get("kvCacheStats") or {}
    most = cache.get("maxNumBlocks") or 0
    return min(1.0, cache.get("usedNumBlocks", 0) / most) if most > 0 else 0.0


def _likely(output: Output, tokens: Sequence[int]) -> list[float]:
    end = len(output.token_ids)
    told = (output.logprobs or ())[end - len(tokens) : end]
    likely = [_logprob(place, token) for token, place in zip(tokens, told, strict=False)]
    return likely + [LEAST] * (len(tokens) - len(likely))


def _logprob(place: Any, token: int) -> float:
    if isinstance(place, Mapping):
        place = place.get(token, LEAST)
    return max(LEAST, float(getattr(place, "logprob", place)))
