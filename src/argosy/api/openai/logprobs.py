"""Log-probabilities as OpenAI's two routes tell them.

Every token of the answer has its place, those of thoughts and tool calls included. A token that is a part of a
character has no text of its own; it is written as its bytes, as OpenAI does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from argosy.engines.contract import TokenLogprob

_IMPOSSIBLE = -9999.0


class TopLogprob(msgspec.Struct, frozen=True):
    """A token that could have been."""

    token: str
    logprob: float
    bytes: list[int]


class ChatTokenLogprob(msgspec.Struct, frozen=True):
    """A token of the answer."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """The log-probabilities of a chat's answer, or of a piece of it."""

    content: list[ChatTokenLogprob]
    refusal: None = None

    @classmethod
    def of(cls, tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
        """From the engine's."""
        return cls([_chat(token) for token in tokens])


class TextLogprobs(msgspec.Struct, frozen=True):
    """The log-probabilities of a text completion, or of a piece of it; `top_logprobs` is null unless asked for."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class TextLogprobsWriter:
    """Writes the log-probabilities of one completion, piece by piece.

    Args:
        top: whether other tokens were asked for.
    """

    def __init__(self, *, top: bool) -> None:
        self._top = top
        self._offset = 0

    def write(self, tokens: Sequence[TokenLogprob]) -> TextLogprobs:
        """The next tokens; each stands where the first character that it begins stands in the text."""
        offsets = []
        for token in tokens:
            offsets.append(self._offset)
            # Bytes that continue a character begin none.
            self._offset += sum(byte & 0xC0 != 0x80 for byte in token.token)
        top = [{_legacy(other.token): _finite(other.logprob) for other in token.top} for token in tokens]
        return TextLogprobs(
            [_legacy(token.token) for token in tokens],
            [_finite(token.logprob) for token in tokens],
            top if self._top else None,
            offsets,
        )


def _chat(token: TokenLogprob) -> ChatTokenLogprob:
    top = [TopLogprob(_shown(other.token), _finite(other.logprob), list(other.token)) for other in token.top]
    return ChatTokenLogprob(_shown(token.token), _finite(token.logprob), list(token.token), top)


def _shown(token: bytes) -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in token)


def _legacy(token: bytes) -> str:
    shown = _shown(token)
    return f"bytes:{shown}" if shown.startswith("\\x") and shown.encode() != token else shown


def _finite(logprob: float) -> float:
    return logprob if math.isfinite(logprob) else _IMPOSSIBLE
