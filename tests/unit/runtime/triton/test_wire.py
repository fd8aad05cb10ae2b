from __future__ import annotations

import struct

import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from argosy.core.errors import InvalidRequest, RuntimeFailure
from argosy.core.tensors import DATATYPES, RawTensor
from argosy.runtime.contract import InferRequest
from argosy.runtime.triton.wire import decode_response, encode_request


def respond(name: str, datatype: str, shape: list[int], raw: bytes) -> object:
    output = pb.ModelInferResponse.InferOutputTensor(name=name, datatype=datatype, shape=shape)
    return pb.ModelInferResponse(model_name="m", model_version="1", outputs=[output], raw_output_contents=[raw])


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BYTES"])
def test_numbers_survive(datatype: str) -> None:
    """Every numeric type comes back as it was sent, shape included."""
    tensor = np.arange(6).astype(DATATYPES[datatype]).reshape(2, 3)
    message = encode_request(InferRequest("m", {"x": tensor}))
    assert (message.inputs[0].name, message.inputs[0].datatype, list(message.inputs[0].shape)) == (
        "x",
        datatype,
        [2, 3],
    )
    back = decode_response(respond("x", datatype, [2, 3], message.raw_input_contents[0])).outputs["x"]
    assert back.dtype == tensor.dtype
    assert np.array_equal(back, tensor)


@pytest.mark.parametrize("item", [None, 1, 1.5, ["a"]])
def test_other_objects_are_refused(item: object) -> None:
    """An object array with anything but bytes and text is an invalid request that names the tensor."""
    tensor = np.empty(1, dtype=np.object_)
    tensor[0] = item
    with pytest.raises(InvalidRequest) as caught:
        encode_request(InferRequest("m", {"x": tensor}))
    assert caught.value.param == "x"


def test_views_are_sent_in_order() -> None:
    """A transposed view is sent in the order its shape says."""
    tensor = np.arange(6, dtype=np.int32).reshape(2, 3).T
    message = encode_request(InferRequest("m", {"x": tensor}))
    assert np.array_equal(np.frombuffer(message.raw_input_contents[0], np.int32).reshape(3, 2), tensor)


def test_parameters_keep_their_types() -> None:
    """A boolean is not sent as a number, and text stays text."""
    request = InferRequest(
        "m", {}, parameters={"b": True, "i": 3, "s": "x"}, outputs=("y",), request_id="r", version="2"
    )
    message = encode_request(request)
    assert {name: value.WhichOneof("parameter_choice") for name, value in message.parameters.items()} == {
        "b": "bool_param",
        "i": "int64_param",
        "s": "string_param",
    }
    assert (message.id, message.model_version, message.outputs[0].name) == ("r", "2", "y")


def test_other_parameters_are_refused() -> None:
    """A parameter of another type is an invalid request that names it."""
    with pytest.raises(InvalidRequest) as caught:
        encode_request(InferRequest("m", {}, parameters={"p": [1]}))  # type: ignore[dict-item]
    assert caught.value.param == "p"


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("FP32", [3], b"\0" * 8),
        ("FP32", [1], b"\0" * 3),
        ("BYTES", [1], struct.pack("<I", 9) + b"short"),
        ("BYTES", [2], struct.pack("<I", 1) + b"a"),
        ("BYTES", [1], b"\0\0"),
        ("COMPLEX", [1], b"\0"),
    ],
)
def test_damaged_answers_are_a_failure_of_the_runtime(datatype: str, shape: list[int], raw: bytes) -> None:
    """An answer that contradicts itself is no answer, and the output is named."""
    with pytest.raises(RuntimeFailure, match="'x'"):
        decode_response(respond("x", datatype, shape, raw))


def test_answer_parameters_are_read() -> None:
    """Parameters of an answer come as plain values."""
    message = respond("x", "INT32", [1], b"\0" * 4)
    message.parameters["n"].int64_param = 4  # type: ignore[attr-defined]
    assert decode_response(message).parameters == {"n": 4}


def test_raw_tensors_are_sent_as_they_are() -> None:
    """The very bytes of a raw tensor become the contents, BF16 and empty tensors included."""
    bf16 = RawTensor("BF16", (2,), b"\x80\x3f\x00\x40")
    view = RawTensor("UINT8", (3,), memoryview(b"abc"))
    empty = RawTensor("FP32", (0, 4), b"")
    message = encode_request(InferRequest("m", {"x": bf16, "y": view, "z": empty}))
    assert [(item.name, item.datatype, list(item.shape)) for item in message.inputs] == [
        ("x", "BF16", [2]),
        ("y", "UINT8", [3]),
        ("z", "FP32", [0, 4]),
    ]
    assert list(message.raw_input_contents) == [bf16.data, b"abc", b""]


def test_raw_answers_are_left_alone() -> None:
    """A raw answer holds what came, whatever it is."""
    message = respond("x", "COMPLEX", [7], b"\0")
    assert decode_response(message, raw=True).outputs == {"x": RawTensor("COMPLEX", (7,), b"\0")}


@pytest.mark.parametrize(
    ("name", "value", "field", "sent"),
    [
        ("sequence_id", (1 << 64) - 1, "int64_param", -1),
        ("sequence_id", "abc", "string_param", "abc"),
        ("priority", (1 << 64) - 1, "uint64_param", (1 << 64) - 1),
        ("share", 0.5, "double_param", 0.5),
    ],
)
def test_parameters_find_their_fields(name: str, value: object, field: str, sent: object) -> None:
    """Each kind of value is sent in the field where Triton looks for it."""
    message = encode_request(InferRequest("m", {}, parameters={name: value}))  # type: ignore[dict-item]
    assert message.parameters[name].WhichOneof("parameter_choice") == field
    assert getattr(message.parameters[name], field) == sent


def test_only_classification_is_asked_of_outputs() -> None:
    """Of an output's parameters only the known one is sent."""
    parameters = {"y": {"classification": 3, "shared_memory_region": "r", "binary_data": True}}
    message = encode_request(InferRequest("m", {}, outputs=("y", "z"), output_parameters=parameters))
    assert {name: value.int64_param for name, value in message.outputs[0].parameters.items()} == {"classification": 3}
    assert not message.outputs[1].parameters
