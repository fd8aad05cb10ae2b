"""Tensors to and from KServe v2 gRPC messages. Every call passes here, so it is written for speed.

Source: KServe Open Inference Protocol v2, gRPC, `raw_input_contents`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2 as pb

from argosy.core.errors import RuntimeFailure
from argosy.core.tensors import RawTensor, check_raw, datatype_of, decode_bytes, encode_bytes, raw_dtype
from argosy.runtime.classification import CLASSIFICATION, wanted_classes
from argosy.runtime.contract import InferRequest, InferResponse, Parameter
from argosy.runtime.model_config import check_parameters
from argosy.runtime.triton.cancellation import CANCEL

_SEQUENCE = "sequence_id"
_SIGNED = 1 << 63
_UNSIGNED = 1 << 64


def encode_request(request: InferRequest) -> Any:
    """The `ModelInferRequest` message of `request`. The data of raw tensors is sized up and not read.

    Raises:
        InvalidRequest: a tensor or parameter has a type that cannot be sent, or a raw tensor contradicts itself;
            names it.
    """
    inputs = []
    contents = []
    for name, tensor in request.inputs.items():
        if isinstance(tensor, RawTensor):
            check_raw(tensor, name)
            datatype = tensor.datatype
            contents.append(tensor.data if isinstance(tensor.data, bytes) else bytes(tensor.data))
        else:
            datatype = datatype_of(tensor)
            contents.append(encode_bytes(tensor, name) if datatype == "BYTES" else tensor.tobytes())
        inputs.append(pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=tensor.shape))
    message = pb.ModelInferRequest(
        model_name=request.model,
        model_version=request.version,
        id=request.request_id,
        inputs=inputs,
        raw_input_contents=contents,
    )
    classes = wanted_classes(request) if request.output_parameters else {}
    for output in request.outputs:
        wanted = message.outputs.add(name=output)
        # Only what is known: others would lead Triton to shared memory.
        if output in classes:
            wanted.parameters[CLASSIFICATION].int64_param = classes[output]
    if request.parameters:
        check_parameters(request.parameters)
        _put_parameters(message.parameters, request.parameters)
    return message


def encode_cancellation(request: InferRequest, call: str) -> Any:
    """The `ModelInferRequest` message that cancels the call of that name. Generations' inputs are all optional."""
    message = pb.ModelInferRequest(model_name=request.model, model_version=request.version)
    message.parameters[CANCEL].string_param = call
    return message


def decode_response(message: Any, *, final: bool = True, raw: bool = False) -> InferResponse:
    """The `ModelInferResponse` message as arrays; numeric arrays are read-only views of the message's bytes.

    Args:
        message: from the runtime.
        final: whether nothing follows.
        raw: leave the outputs as they are.

    Raises:
        RuntimeFailure: the message contradicts itself.
    """
    outputs: dict[str, Any] = {}
    for output, data in zip(message.outputs, message.raw_output_contents, strict=True):
        datatype, shape = output.datatype, tuple(output.shape)
        if raw:
            outputs[output.name] = RawTensor(datatype, shape, data)
            continue
        try:
            tensor = decode_bytes(data) if datatype == "BYTES" else np.frombuffer(data, dtype=raw_dtype(datatype))
            outputs[output.name] = tensor.reshape(shape)
        except (KeyError, ValueError, struct.error) as error:
            raise RuntimeFailure(f"The output {output.name!r} ({datatype}) arrived damaged.") from error
    parameters = _get_parameters(message.parameters) if len(message.parameters) else {}
    return InferResponse(outputs, parameters, final, message.model_name, message.model_version)


def _put_parameters(target: Any, parameters: Mapping[str, Parameter]) -> None:
    for name, value in parameters.items():
        # bool first: it is an int to Python and a different field to Triton.
        if isinstance(value, bool):
            target[name].bool_param = value
        elif isinstance(value, int):
            _put_integer(target[name], name, value)
        elif isinstance(value, str):
            target[name].string_param = value
        else:
            target[name].double_param = value


def _put_integer(target: Any, name: str, value: int) -> None:
    if -_SIGNED <= value < _SIGNED:
        target.int64_param = value
    elif name == _SEQUENCE:
        # Triton reads the signed field's bits as an unsigned number.
        target.int64_param = value - _UNSIGNED
    else:
        target.uint64_param = value


def _get_parameters(source: Any) -> dict[str, Any]:
    return {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in source.items()}
