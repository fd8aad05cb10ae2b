"""Texts are bounded before they reach a tokenizer.

The engine knows exactly how many tokens a text has, but finding out takes time in proportion to its length, in the one
process that serves the model. A text that cannot fit is therefore refused, or cut, by its characters first.
"""

from __future__ import annotations

from collections.abc import Sequence

from argosy.core.errors import InputTooLong
from argosy.server.catalog.catalog import ServedModel

CHARACTERS_PER_TOKEN = 64
"""More than the longest words of common vocabularies; natural text has four or five."""
_SHORTEST_LIMIT = 4096


def bound_texts(texts: Sequence[str], model: ServedModel, param: str, truncate: str | None = None) -> list[str]:
    """The texts, none longer than the model could possibly read.

    Args:
        texts: any number of them.
        model: whose limit counts; one without a limit takes any text.
        param: name for the error.
        truncate: START or END cut a longer text at that side; anything else refuses it.

    Raises:
        InputTooLong: a text is too long and may not be cut.
    """
    limit = max(_SHORTEST_LIMIT, model.max_tokens * CHARACTERS_PER_TOKEN)
    if model.max_tokens == 0 or all(len(text) <= limit for text in texts):
        return list(texts)
    return [_bound(text, limit, model, param, truncate) for text in texts]


def _bound(text: str, limit: int, model: ServedModel, param: str, truncate: str | None) -> str:
    if len(text) <= limit:
        return text
    if truncate == "END":
        return text[:limit]
    if truncate == "START":
        return text[-limit:]
    raise InputTooLong(
        f"Input of {len(text)} characters exceeds maximum allowed token size {model.max_tokens} of model "
        f"'{model.name}'. Shorten it.",
        param=param,
    )
