"""Read the tensors of an encoder request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from argosy.core.errors import InvalidRequest
from argosy.core.models import Task, TextSpec
from argosy.core.tensors import Tensor
from argosy.engines.contract import TensorRequest
from argosy.engines.encoders.tokens import Text, Truncate


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request wants read.

    Attributes:
        rows: one text, pair or 1-D array of token ids for each row the network reads.
        params: the input tensor that each row came from.
        count: rows of the request; `rows` holds twice as many when query and passage are read apart.
    """

    rows: list[Text | Tensor]
    params: list[str]
    count: int
    truncate: Truncate


def read(request: TensorRequest, task: Task, text: TextSpec, *, pairs: bool) -> Ask:
    """The rows of a request.

    `pairs` says, for rank, whether the network reads query and passage together.

    Raises:
        InvalidRequest: a tensor is missing, too many, of a wrong type or shape, or not UTF-8; or a parameter has an
            unknown value. `param` names it.
    """
    truncate = _truncate(request.parameters.get("truncate"))
    if task is Task.RANK:
        return _rank(request.inputs, text.prefixes, truncate, pairs=pairs)
    prefix = _prefix(request.parameters.get("input_type"), text.prefixes)
    ids = request.inputs.get("token_ids")
    if ids is None or task is not Task.EMBED:
        texts = _texts(request.inputs, "text", prefix)
        return Ask([*texts], ["text"] * len(texts), len(texts), truncate)
    if "text" in request.inputs:
        raise InvalidRequest("Send either 'text' or 'token_ids', and not both.", param="token_ids")
    if ids.dtype != np.int32 or ids.ndim != 2:
        raise InvalidRequest("'token_ids' must be INT32 of shape [n, tokens].", param="token_ids")
    if len(ids) == 0:
        raise InvalidRequest("'token_ids' holds no row.", param="token_ids")
    return Ask([*ids], ["token_ids"] * len(ids), len(ids), truncate)


def _rank(inputs: Mapping[str, Tensor], prefixes: Mapping[str, str], truncate: Truncate, *, pairs: bool) -> Ask:
    queries = _texts(inputs, "query", prefixes.get("query", ""))
    passages = _texts(inputs, "passage", prefixes.get("passage", ""))
    if len(queries) != len(passages):
        raise InvalidRequest(f"{len(queries)} queries do not pair with {len(passages)} passages.", param="passage")
    count = len(queries)
    if pairs:
        return Ask([*zip(queries, passages, strict=True)], ["passage"] * count, count, truncate)
    return Ask([*queries, *passages], ["query"] * count + ["passage"] * count, count, truncate)


def _texts(inputs: Mapping[str, Tensor], name: str, prefix: str) -> list[str]:
    tensor = inputs.get(name)
    if tensor is None or tensor.dtype != np.object_ or tensor.ndim != 2 or tensor.shape[1] != 1:
        raise InvalidRequest(f"'{name}' must be BYTES of shape [n, 1].", param=name)
    if len(tensor) == 0:
        raise InvalidRequest(f"'{name}' holds no row.", param=name)
    try:
        return [prefix + value.decode() for value in tensor.ravel()]
    except UnicodeDecodeError:
        raise InvalidRequest(f"'{name}' must be UTF-8.", param=name) from None


def _truncate(value: object) -> Truncate:
    try:
        return Truncate(str(value)) if value else Truncate.NONE
    except ValueError:
        raise InvalidRequest(f"'truncate' is {value!r}; use NONE, START or END.", param="truncate") from None


def _prefix(value: object, prefixes: Mapping[str, str]) -> str:
    if not value:
        return ""
    if value not in {"query", "passage", *prefixes}:
        raise InvalidRequest(f"'input_type' is {value!r}; use 'query' or 'passage'.", param="input_type")
    return prefixes.get(str(value), "")
