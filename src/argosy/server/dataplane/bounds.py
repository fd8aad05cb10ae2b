"""Texts are bounded before they reach a tokenizer.

The engine knows exactly how many tokens a text has, but finding out takes time in proportion to its length, in the one
process that serves the model. A text that cannot fit is therefore refused, or cut, by its characters first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from argosy.core.errors import InputTooLong
from argosy.core.tensors import RawTensor, Tensor, decode_bytes
from argosy.server.catalog.catalog import ServedModel

CHARACTERS_PER_TOKEN = 64
"""More than the longest words of common vocabularies; natural text has four or five."""
_SHORTEST_LIMIT = 4096
_BYTES_PER_CHARACTER = 4
_TEXTS = ("text", "query", "passage", "text_input")
"""The tensors that engines take apart into tokens."""


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
    limit = _limit(model)
    if model.max_tokens == 0 or all(len(text) <= limit for text in texts):
        return list(texts)
    return [_bound(text, limit, model, param, truncate) for text in texts]


def bound_tensors(inputs: Mapping[str, Tensor | RawTensor], model: ServedModel) -> None:
    """Refuse tensors with a text longer than the model could possibly read. Only large tensors are looked into.

    Args:
        inputs: raw tensors among them must not contradict themselves.
        model: whose limit counts; one without a limit takes any text.

    Raises:
        InputTooLong: a text is too long; `param` is its tensor.
    """
    if model.max_tokens == 0:
        return
    limit = _limit(model) * _BYTES_PER_CHARACTER
    for name in _TEXTS:
        tensor = inputs.get(name)
        if not isinstance(tensor, RawTensor) or tensor.datatype != "BYTES" or len(tensor.data) <= limit:
            continue
        longest = max(map(len, decode_bytes(tensor.data)))
        if longest > limit:
            raise InputTooLong(
                f"The input {name!r} has a text of {longest} bytes, which exceeds maximum allowed token size "
                f"{model.max_tokens} of model '{model.name}'. Shorten it.",
                param=name,
            )


def _limit(model: ServedModel) -> int:
    return max(_SHORTEST_LIMIT, model.max_tokens * CHARACTERS_PER_TOKEN)


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
