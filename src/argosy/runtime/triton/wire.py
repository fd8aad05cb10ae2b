"""Tensors to and from KServe v2 gRPC messages. Every call passes here, so it is written for speed.

Source: KServe Open Inference Protocol v2, gRPC, `raw_input_contents`; BYTES elements are each preceded by their
length as a little-endian 32-bit integer.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2 as pb

from argosy.core.errors import InvalidRequest, RuntimeFailure
from argosy.core.tensors import DATATYPES, Tensor, datatype_of
from argosy.runtime.contract import InferRequest, InferResponse

_LENGTH = struct.Struct("<I")
_pack = _LENGTH.pack
_unpack = _LENGTH.unpack_from
_DTYPES = {**DATATYPES, "BF16": np.dtype(np.uint16)}


def encode_request(request: InferRequest) -> Any:
    """The `ModelInferRequest` message of `request`.

    Raises:
        InvalidRequest: a tensor or parameter has a type that cannot be sent; names it.
    """
    inputs = []
    contents = []
    for name, tensor in request.inputs.items():
        datatype = datatype_of(tensor)
        inputs.append(pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=tensor.shape))
        contents.append(encode_bytes(tensor, name) if datatype == "BYTES" else tensor.tobytes())
    message = pb.ModelInferRequest(
        model_name=request.model,
        model_version=request.version,
        id=request.request_id,
        inputs=inputs,
        raw_input_contents=contents,
    )
    for output in request.outputs:
        message.outputs.add(name=output)
    if request.parameters:
        _put_parameters(message.parameters, request.parameters)
    return message


def decode_response(message: Any, *, final: bool = True) -> InferResponse:
    """The `ModelInferResponse` message as arrays; numeric arrays are read-only views of the message's bytes.

    Raises:
        RuntimeFailure: the message contradicts itself.
    """
    outputs: dict[str, Tensor] = {}
    for output, raw in zip(message.outputs, message.raw_output_contents, strict=True):
        datatype = output.datatype
        try:
            tensor = decode_bytes(raw) if datatype == "BYTES" else np.frombuffer(raw, dtype=_DTYPES[datatype])
            outputs[output.name] = tensor.reshape(tuple(output.shape))
        except (KeyError, ValueError, struct.error) as error:
            raise RuntimeFailure(f"The output {output.name!r} ({datatype}) arrived damaged.") from error
    parameters = _get_parameters(message.parameters) if len(message.parameters) else {}
    return InferResponse(outputs, parameters, final, message.model_name, message.model_version)


def encode_bytes(tensor: Tensor, name: str = "") -> bytes:
    """The elements of a BYTES tensor in row-major order, each after its length."""
    parts: list[bytes] = []
    for item in tensor.ravel().tolist():
        data = item.encode() if isinstance(item, str) else item
        try:
            parts += (_pack(len(data)), data)
        except TypeError:
            raise InvalidRequest(f"The tensor {name!r} must hold bytes or text only.", param=name) from None
    try:
        return b"".join(parts)
    except TypeError:
        raise InvalidRequest(f"The tensor {name!r} must hold bytes or text only.", param=name) from None


def decode_bytes(raw: bytes) -> Tensor:
    """A flat object array of the elements in `raw`.

    Raises:
        ValueError: a length points past the end.
        struct.error: a length is cut short.
    """
    items: list[bytes] = []
    at, end = 0, len(raw)
    while at < end:
        start = at + 4
        at = start + _unpack(raw, at)[0]
        items.append(raw[start:at])
    if at != end:
        raise ValueError("a BYTES element is longer than its tensor")
    tensor = np.empty(len(items), dtype=np.object_)
    tensor[:] = items
    return tensor


def _put_parameters(target: Any, parameters: Any) -> None:
    for name, value in parameters.items():
        # bool first: it is an int to Python and a different field to Triton.
        if isinstance(value, bool):
            target[name].bool_param = value
        elif isinstance(value, int):
            target[name].int64_param = value
        elif isinstance(value, str):
            target[name].string_param = value
        else:
            raise InvalidRequest(f"The parameter {name!r} must be a boolean, an integer or text.", param=name)


def _get_parameters(source: Any) -> dict[str, Any]:
    return {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in source.items()}
