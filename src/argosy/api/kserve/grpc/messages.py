"""`ModelInferRequest` messages as requests to the runtime, and answers as `ModelInferResponse` messages.

Source: KServe Open Inference Protocol v2 (gRPC) and Triton's classification, parameters and sequence extensions.
Tensors come as `raw_input_contents` or, element by element, as typed contents; answers hold `raw_output_contents`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.framing import join, split
from argosy.api.kserve.parameters import read_parameters
from argosy.core.errors import InvalidRequest, MalformedBody, UnsupportedParameter
from argosy.core.tensors import DATATYPES, RawTensor
from argosy.runtime.contract import InferRequest, InferResponse, Parameter
from argosy.server.dataplane.infer import MOST_INPUTS, MOST_OUTPUTS

_RAW_INPUTS = pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_RAW_OUTPUTS = pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
_RESPONSE = pb.ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER
_MOST_FIELDS = 2 * MOST_INPUTS + MOST_OUTPUTS + 512
_MOST_TYPED = 1 << 20
_MOST_PARAMETERS = 256
_MOST_DIMENSIONS = 32
_LONGEST_ID = 256
_EMPTY_FINAL = "triton_enable_empty_final_response"
_FINAL = "triton_final_response"
_SHARED_MEMORY = "shared_memory"
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_pack_length = struct.Struct("<I").pack


@dataclass(frozen=True, slots=True)
class InferCall:
    """A message, understood.

    Attributes:
        model: the name that the client used.
        identity: the client's own id of the request; it is repeated in the answer and goes nowhere else.
        request: for the runtime; its model is still to be looked up.
        empty_final: whether a stream shall end with a message even when no outputs are left for it.
        sequence: what requests must be answered in order with; None for a request on its own.
    """

    model: str
    identity: str
    request: InferRequest
    empty_final: bool = False
    sequence: tuple[str, Parameter] | None = None


def parse(kind: Any, data: bytes) -> Any:
    """A message of that kind.

    Raises:
        MalformedBody: the bytes are no such message.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        raise MalformedBody(f"The request is not a {kind.DESCRIPTOR.name} message.") from None


@dataclass(frozen=True, slots=True)
class Opened:
    """A `ModelInferRequest`, parsed and not yet looked at.

    Attributes:
        message: without its raw tensors.
        contents: the raw tensors.
    """

    message: Any
    contents: Sequence[memoryview]

    @property
    def identity(self) -> str:
        """The client's id of the request, as far as it can be repeated."""
        identity: str = self.message.id[:_LONGEST_ID]
        return identity


def open_infer(data: bytes) -> Opened:
    """A `ModelInferRequest` whose raw tensors stay where they are: views of `data`.

    Raises:
        MalformedBody: not such a message, or one with more than a thousand fields.
    """
    try:
        head, contents = split(data, _RAW_INPUTS, _MOST_FIELDS)
    except ValueError as error:
        raise MalformedBody(f"The request is not a ModelInferRequest message: {error}.") from None
    return Opened(parse(pb.ModelInferRequest, head), contents)


def read_infer(opened: Opened) -> InferCall:
    """What a `ModelInferRequest` asks for.

    Raises:
        InvalidRequest: a field is wrong or contradicts another; the message names it.
        UnsupportedParameter: shared memory is asked for.
    """
    message = opened.message
    if len(message.id) > _LONGEST_ID:
        raise InvalidRequest(f"'id' may have {_LONGEST_ID} characters.", param="id")
    given = {name: _value(name, item) for name, item in message.parameters.items()}
    empty_final = given.pop(_EMPTY_FINAL, False)
    parameters = read_parameters(given)
    outputs, output_parameters = _outputs(message.outputs)
    request = InferRequest(
        message.model_name,
        _inputs(message.inputs, opened.contents),
        outputs,
        parameters,
        version=message.model_version,
        raw=True,
        output_parameters=output_parameters,
    )
    sequence = parameters.get("sequence_id")
    ordered = (message.model_name, sequence) if sequence else None
    return InferCall(message.model_name, message.id, request, empty_final is True, ordered)


def encode_answer(answer: InferResponse, call: InferCall) -> bytes:
    """The `ModelInferResponse` of an answer with raw outputs."""
    return _encoded(answer, _head(answer, call))


def encode_piece(answer: InferResponse, call: InferCall) -> bytes:
    """The `ModelStreamInferResponse` of one answer of a stream."""
    head = _head(answer, call)
    head.parameters[_FINAL].bool_param = answer.final
    return join(b"", _RESPONSE, [_encoded(answer, head)])


def encode_failure(message: str, identity: str) -> bytes:
    """The `ModelStreamInferResponse` of an error; the stream goes on."""
    failure = pb.ModelStreamInferResponse(error_message=message)
    failure.infer_response.id = identity
    data: bytes = failure.SerializeToString()
    return data


def _head(answer: InferResponse, call: InferCall) -> Any:
    message = pb.ModelInferResponse(model_name=call.model, model_version=answer.version, id=call.identity)
    for name, value in answer.parameters.items():
        if not name.startswith("triton_"):
            _put(message.parameters[name], value)
    return message


def _encoded(answer: InferResponse, message: Any) -> bytes:
    contents = []
    for name, tensor in answer.outputs.items():
        message.outputs.add(name=name, datatype=tensor.datatype, shape=tensor.shape)
        contents.append(tensor.data)
    return join(message.SerializeToString(), _RAW_OUTPUTS, contents)


def _inputs(items: Sequence[Any], contents: Sequence[memoryview]) -> dict[str, RawTensor]:
    if len(items) > MOST_INPUTS:
        raise InvalidRequest(f"{len(items)} inputs were sent; {MOST_INPUTS} are allowed.", param="inputs")
    if contents and len(contents) != len(items):
        raise InvalidRequest(
            f"'raw_input_contents' has {len(contents)} entries for {len(items)} inputs. Send one for each input, in "
            "their order.",
            param="raw_input_contents",
        )
    inputs: dict[str, RawTensor] = {}
    for index, item in enumerate(items):
        name = item.name
        if not name:
            raise InvalidRequest(f"'inputs[{index}].name' is missing.", param=f"inputs[{index}].name")
        if name in inputs:
            raise InvalidRequest(f"The input {name!r} was sent twice.", param=name)
        _refuse_shared_memory(item.parameters, name)
        # Counted before it is copied: a message has room for millions.
        if len(item.shape) > _MOST_DIMENSIONS:
            raise InvalidRequest(
                f"The tensor {name!r} has {len(item.shape)} dimensions and may have {_MOST_DIMENSIONS}.", param=name
            )
        if not contents:
            data: bytes | memoryview = _typed(item)
        elif item.HasField("contents"):
            raise InvalidRequest(
                f"The input {name!r} has both 'contents' and 'raw_input_contents'. Send one of them.", param=name
            )
        else:
            data = contents[index]
        inputs[name] = RawTensor(item.datatype, tuple(item.shape), data)
    return inputs


def _typed(item: Any) -> bytes:
    """The data of a tensor whose elements stand in a field of their type."""
    field = _CONTENTS.get(item.datatype)
    if field is None:
        known = item.datatype in {"FP16", "BF16"}
        raise InvalidRequest(
            f"The input {item.name!r} has the datatype {item.datatype[:16]!r}, which "
            + ("has no typed contents. Send it in 'raw_input_contents'." if known else "does not exist."),
            param=item.name,
        )
    found = [used.name for used, _ in item.contents.ListFields()]
    if found and found != [field]:
        raise InvalidRequest(
            f"The input {item.name!r} of datatype {item.datatype} must have its elements in {field!r}, not in "
            f"{', '.join(found)}.",
            param=item.name,
        )
    values = getattr(item.contents, field)
    if len(values) > _MOST_TYPED:
        raise InvalidRequest(
            f"The input {item.name!r} has more than {_MOST_TYPED} typed elements. Send it in 'raw_input_contents'.",
            param=item.name,
        )
    if field == "bytes_contents":
        return b"".join(part for value in values for part in (_pack_length(len(value)), value))
    return _numbers(item, np.array(values, dtype=_WIDE[field]))


_WIDE = {
    "bool_contents": np.bool_,
    "int_contents": np.int32,
    "int64_contents": np.int64,
    "uint_contents": np.uint32,
    "uint64_contents": np.uint64,
    "fp32_contents": np.float32,
    "fp64_contents": np.float64,
}


def _numbers(item: Any, values: np.ndarray[Any, np.dtype[Any]]) -> bytes:
    dtype = DATATYPES[item.datatype]
    if dtype != values.dtype and values.size:
        limits = np.iinfo(dtype)
        if values.min() < limits.min or values.max() > limits.max:
            raise InvalidRequest(
                f"The input {item.name!r} has an element outside of {item.datatype}, {limits.min} to {limits.max}.",
                param=item.name,
            )
    return values.astype(dtype, copy=False).tobytes()


def _outputs(items: Sequence[Any]) -> tuple[tuple[str, ...], dict[str, dict[str, Parameter]]]:
    if len(items) > MOST_OUTPUTS:
        raise InvalidRequest(f"{len(items)} outputs are asked for; {MOST_OUTPUTS} are allowed.", param="outputs")
    parameters: dict[str, dict[str, Parameter]] = {}
    for item in items:
        _refuse_shared_memory(item.parameters, item.name)
        if item.parameters:
            parameters[item.name] = {name: _value(name, value) for name, value in item.parameters.items()}
    return tuple(item.name for item in items), parameters


def _refuse_shared_memory(parameters: Mapping[str, Any], name: str) -> None:
    if len(parameters) > _MOST_PARAMETERS:
        raise InvalidRequest(
            f"The tensor {name!r} has {len(parameters)} parameters; {_MOST_PARAMETERS} are allowed.", param=name
        )
    if any(key.startswith(_SHARED_MEMORY) for key in parameters):
        raise UnsupportedParameter(
            f"The tensor {name!r} asks for shared memory, which is not offered here. Send the data itself.", param=name
        )


def _value(name: str, item: Any) -> Parameter:
    field = item.WhichOneof("parameter_choice")
    if field is None:
        raise InvalidRequest(f"The parameter {name[:64]!r} has no value.", param=f"parameters.{name}"[:256])
    value: Parameter = getattr(item, field)
    return value


def _put(target: Any, value: Parameter) -> None:
    if isinstance(value, bool):
        target.bool_param = value
    elif isinstance(value, int):
        target.int64_param = value
    elif isinstance(value, float):
        target.double_param = value
    else:
        target.string_param = value
