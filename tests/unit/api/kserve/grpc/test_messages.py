from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.messages import encode_answer, encode_failure, encode_piece, open_infer, read_infer
from argosy.core.errors import InvalidRequest, MalformedBody, UnsupportedParameter
from argosy.core.tensors import DATATYPES, RawTensor, raw_of, tensor_of
from argosy.runtime.contract import InferResponse


def request(**fields: Any) -> Any:
    return pb.ModelInferRequest(model_name="m", **fields)


def add(message: Any, name: str = "x", datatype: str = "FP32", shape: tuple[int, ...] = (1,), **contents: Any) -> Any:
    item = message.inputs.add(name=name, datatype=datatype, shape=shape)
    for field, values in contents.items():
        getattr(item.contents, field).extend(values)
    return message


def read(message: Any) -> Any:
    return read_infer(open_infer(message.SerializeToString()))


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False, True]),
        ("INT8", "int_contents", [-128, 0, 127]),
        ("INT16", "int_contents", [-32768, 0, 32767]),
        ("INT32", "int_contents", [-(1 << 31), 0, (1 << 31) - 1]),
        ("INT64", "int64_contents", [-(1 << 63), 0, (1 << 63) - 1]),
        ("UINT8", "uint_contents", [0, 1, 255]),
        ("UINT16", "uint_contents", [0, 1, 65535]),
        ("UINT32", "uint_contents", [0, 1, (1 << 32) - 1]),
        ("UINT64", "uint64_contents", [0, 1, (1 << 64) - 1]),
        ("FP32", "fp32_contents", [0.5, -1.0, float("inf")]),
        ("FP64", "fp64_contents", [0.1, -1e300, 2.0]),
        ("BYTES", "bytes_contents", [b"", b"\0\xff", b"text"]),
    ],
)
def test_typed_contents_of_every_type(datatype: str, field: str, values: list[Any]) -> None:
    """Elements in the field of their type become the tensor, to the limits of the type."""
    message = add(request(), datatype=datatype, shape=(3,), **{field: values})
    tensor = tensor_of(read(message).request.inputs["x"], "x")
    assert tensor.dtype == DATATYPES[datatype]
    assert tensor.tolist() == values


@pytest.mark.parametrize(
    ("datatype", "field", "value"),
    [
        ("INT8", "int_contents", 128),
        ("INT16", "int_contents", -32769),
        ("UINT8", "uint_contents", 256),
        ("UINT16", "uint_contents", 1 << 16),
    ],
)
def test_elements_beyond_their_type_are_refused(datatype: str, field: str, value: int) -> None:
    """An element that its type cannot hold is an invalid request that names the tensor."""
    with pytest.raises(InvalidRequest, match=datatype) as caught:
        read(add(request(), datatype=datatype, **{field: [value]}))
    assert caught.value.param == "x"


def test_raw_contents_are_views_in_order() -> None:
    """Raw contents belong to the inputs in their order and are not copied."""
    message = add(add(request(raw_input_contents=[b"\0" * 4, b"ab"]), "x"), "y", "UINT8", (2,))
    data = message.SerializeToString()
    inputs = read_infer(open_infer(data)).request.inputs
    assert {name: bytes(tensor.data) for name, tensor in inputs.items()} == {"x": b"\0" * 4, "y": b"ab"}
    assert all(tensor.data.obj is data for tensor in inputs.values())


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (add(request(raw_input_contents=[b"", b""])), "raw_input_contents"),
        (add(request(raw_input_contents=[b"\0" * 4]), fp32_contents=[1.0]), "x"),
        (add(add(request(), fp32_contents=[1.0]), fp32_contents=[1.0]), "x"),
        (add(request(), fp32_contents=[1.0], int_contents=[1]), "x"),
        (add(request(), int_contents=[1]), "x"),
        (add(request(), datatype="FP16", fp32_contents=[1.0]), "x"),
        (add(request(), datatype="BF16"), "x"),
        (add(request(), datatype="TEXT"), "x"),
        (add(request(), datatype=""), "x"),
        (add(request(), name=""), "inputs[0].name"),
        (request(id="i" * 300), "id"),
        (request(inputs=[{"name": f"i{row}"} for row in range(257)]), "inputs"),
        (request(outputs=[{"name": f"o{row}"} for row in range(65)]), "outputs"),
    ],
    ids=[
        "count",
        "both",
        "twice",
        "fields",
        "field",
        "fp16",
        "bf16",
        "type",
        "none",
        "name",
        "id",
        "inputs",
        "outputs",
    ],
)
def test_contradictions_are_refused(message: Any, named: str) -> None:
    """A message that contradicts itself is an invalid request that names the field."""
    with pytest.raises(InvalidRequest) as caught:
        read(message)
    assert caught.value.param == named


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\xff" * 9, b"\x0a\x02\xff\xfe", b"\x2a\x02\x0a\x09"])
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    """Bytes that are no message, or hold text that is no UTF-8, are refused as such."""
    with pytest.raises(MalformedBody, match="ModelInferRequest"):
        open_infer(data)


def test_many_typed_elements_are_refused() -> None:
    """Typed elements become objects one by one, so there is an end to them."""
    with pytest.raises(InvalidRequest, match="raw_input_contents"):
        read(add(request(), shape=((1 << 20) + 1,), fp32_contents=np.zeros((1 << 20) + 1, np.float32)))


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_many_parameters_of_a_tensor_are_refused(side: str) -> None:
    """A message has room for a million, and looking at each would keep everybody else waiting."""
    message = request(outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="x")])
    add(message, fp32_contents=[1])
    for number in range(257):
        getattr(message, side)[0].parameters[f"p{number}"].bool_param = True
    with pytest.raises(InvalidRequest, match="257 parameters"):
        read(message)


def test_many_dimensions_are_refused_uncopied() -> None:
    """They are counted before anything is made of them."""
    message = request()
    add(message, shape=(1,) * 33, fp32_contents=[1])
    with pytest.raises(InvalidRequest, match="33 dimensions"):
        read(message)


def test_parameters_of_every_kind() -> None:
    """Each of a parameter's fields is read, and the one for the end of streams is kept apart."""
    message = request()
    message.parameters["b"].bool_param = True
    message.parameters["i"].int64_param = -5
    message.parameters["s"].string_param = "text"
    message.parameters["d"].double_param = 0.5
    message.parameters["u"].uint64_param = (1 << 64) - 1
    message.parameters["triton_enable_empty_final_response"].bool_param = True
    call = read(message)
    assert call.request.parameters == {"b": True, "i": -5, "s": "text", "d": 0.5, "u": (1 << 64) - 1}
    assert call.empty_final


def test_parameters_without_a_value_or_with_reserved_names_are_refused() -> None:
    """A parameter says something, and its name is its own."""
    message = request()
    message.parameters["p"].SetInParent()
    with pytest.raises(InvalidRequest, match="no value"):
        read(message)
    message = request()
    message.parameters["triton_final_response"].bool_param = True
    with pytest.raises(InvalidRequest, match="reserved"):
        read(message)


@pytest.mark.parametrize("sequence", ["abc", 7, (1 << 63) - 1])
def test_a_sequence_orders_requests(sequence: str | int) -> None:
    """Requests of one model with one sequence id belong together; 0 and no id do not."""
    message = request()
    target = message.parameters["sequence_id"]
    if isinstance(sequence, str):
        target.string_param = sequence
    else:
        target.int64_param = sequence
    assert read(message).sequence == ("m", sequence)
    message.parameters["sequence_id"].int64_param = 0
    assert read(message).sequence is None
    assert read(request()).sequence is None


def test_outputs_and_their_parameters() -> None:
    """Outputs keep their order; classification is passed on."""
    message = request(outputs=[{"name": "b"}, {"name": "a"}])
    message.outputs[0].parameters["classification"].int64_param = 3
    found = read(message).request
    assert found.outputs == ("b", "a")
    assert found.output_parameters == {"b": {"classification": 3}}


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_shared_memory_is_refused(side: str) -> None:
    """A tensor in shared memory is refused by name, whichever side it is on."""
    message = add(request(outputs=[{"name": "x"}]), fp32_contents=[1.0])
    getattr(message, side)[0].parameters["shared_memory_region"].string_param = "r"
    with pytest.raises(UnsupportedParameter, match="shared memory") as caught:
        read(message)
    assert caught.value.param == "x"


def test_an_answer_is_a_message() -> None:
    """Names, types, shapes and bytes of the outputs, the client's names of model and request."""
    call = read(request(id="mine"))
    outputs = {"x": raw_of(np.array([[1, 2]], np.int16)), "y": RawTensor("BF16", (1,), memoryview(b"\x80\x3f"))}
    answer = InferResponse(outputs, {"n": 1, "triton_final_response": True, "s": 0.5}, model="root", version="3")
    message = pb.ModelInferResponse.FromString(encode_answer(answer, call))
    assert (message.model_name, message.model_version, message.id) == ("m", "3", "mine")
    assert [(item.name, item.datatype, list(item.shape)) for item in message.outputs] == [
        ("x", "INT16", [1, 2]),
        ("y", "BF16", [1]),
    ]
    assert list(message.raw_output_contents) == [b"\x01\0\x02\0", b"\x80\x3f"]
    assert sorted(message.parameters) == ["n", "s"]


def test_a_piece_says_whether_it_is_the_last() -> None:
    """Every answer of a stream carries `triton_final_response`."""
    for final in (False, True):
        message = pb.ModelStreamInferResponse.FromString(
            encode_piece(InferResponse({}, final=final, version="1"), read(request(id="mine")))
        )
        assert message.infer_response.id == "mine"
        assert message.infer_response.parameters["triton_final_response"].bool_param is final
        assert not message.error_message


def test_a_failure_in_a_stream_carries_its_request() -> None:
    """An error message has the id of the request that failed."""
    message = pb.ModelStreamInferResponse.FromString(encode_failure("no", "mine"))
    assert (message.error_message, message.infer_response.id) == ("no", "mine")
