"""The tokens of a prompt, whichever way it was given."""

from __future__ import annotations

from collections.abc import Sequence

from argosy.core.errors import InvalidRequest
from argosy.core.tensors import Tensor
from argosy.engines.contract import GenerationRequest
from argosy.engines.text.tokenizer import TextTokenizer


def prompt_tokens(request: GenerationRequest, tokenizer: TextTokenizer) -> Sequence[int]:
    """Token ids of a request's prompt.

    Raises:
        InvalidRequest: the prompt is empty, no UTF-8, or holds ids that the tokenizer has no token for.
    """
    if not isinstance(request.prompt, str):
        return _checked(request.prompt, tokenizer.size)
    if not request.prompt:
        # Also where the tokenizer would frame it with a start token.
        raise InvalidRequest("The prompt is empty; send at least one character.", param="prompt")
    try:
        return tokenizer.encode(request.prompt, add_special_tokens=request.sampling.add_special_tokens)
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt has lone surrogates and is no UTF-8; remove them.", param="prompt") from None


def _checked(tokens: Tensor, size: int) -> Sequence[int]:
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise InvalidRequest("Token ids must be one row of whole numbers.", param="prompt")
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < size):
        raise InvalidRequest(f"A token id is outside the vocabulary; ids are 0 to {size - 1}.", param="prompt")
    ids: list[int] = tokens.tolist()
    return ids
