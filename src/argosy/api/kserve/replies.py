"""Answers of the runtime as bodies: JSON alone, or JSON with the tensors' bytes behind it."""

from __future__ import annotations

from typing import Any

import orjson

from argosy.api.http.exchange import JSON, Header
from argosy.api.kserve.elements import decode_elements
from argosy.api.kserve.requests import LENGTH_HEADER, InferCall, Wanted
from argosy.core.tensors import RawTensor
from argosy.runtime.contract import InferResponse

_BINARY = b"application/octet-stream"
_OWN = "triton_"


def encode_answer(answer: InferResponse, call: InferCall, model: str) -> tuple[bytes, bytes, list[Header]]:
    """Body, content type and further headers of an answer.

    Args:
        answer: with raw outputs.
        call: what was asked.
        model: the name that the client used.

    Raises:
        InvalidRequest: an output that is to be JSON cannot be; the message says to ask for binary.
    """
    default = Wanted(call.binary)
    parts: list[bytes | memoryview] = [b""]
    outputs: list[dict[str, Any]] = []
    for name, tensor in answer.outputs.items():
        output: dict[str, Any] = {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
        if call.outputs.get(name, default).binary:
            output["parameters"] = {"binary_data_size": len(tensor.data)}
            parts.append(tensor.data)
        else:
            output["data"] = decode_elements(tensor, name)
        outputs.append(output)
    head = {**_head(answer, model, call.identity), "outputs": outputs}
    text = to_json(head)
    if len(parts) == 1:
        return text, JSON, []
    parts[0] = text
    return b"".join(parts), _BINARY, [(LENGTH_HEADER.encode(), str(len(text)).encode())]


def flat_answer(answer: InferResponse, model: str, identity: str | int | None) -> bytes:
    """The JSON of the generate extension: every output under its own name, single elements as values.

    Raises:
        InvalidRequest: an output has no JSON form.
    """
    head: dict[str, Any] = {"model_name": model, "model_version": answer.version}
    if identity is not None:
        head["id"] = identity
    head.update((name, _bare(tensor, name)) for name, tensor in answer.outputs.items())
    return to_json(head)


def to_json(value: Any) -> bytes:
    """JSON of plain data and of NumPy arrays of numbers."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _head(answer: InferResponse, model: str, identity: str | None) -> dict[str, Any]:
    head: dict[str, Any] = {"model_name": model, "model_version": answer.version}
    if identity is not None:
        head["id"] = identity
    parameters = {name: value for name, value in answer.parameters.items() if not name.startswith(_OWN)}
    if parameters:
        head["parameters"] = parameters
    return head


def _bare(tensor: RawTensor, name: str) -> Any:
    elements = decode_elements(tensor, name)
    return elements[0] if len(elements) == 1 else elements
