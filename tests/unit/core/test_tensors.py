from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.utils import serialize_byte_tensor

from argosy.core.errors import InvalidRequest
from argosy.core.tensors import (
    DATATYPES,
    RawTensor,
    Tensor,
    check_raw,
    count_bytes,
    datatype_of,
    decode_bytes,
    element_count,
    encode_bytes,
    raw_of,
    tensor_of,
    text_tensor,
)


def objects(items: list[bytes]) -> Tensor:
    tensor = np.empty(len(items), dtype=np.object_)
    tensor[:] = items
    return tensor


@pytest.mark.parametrize("name", sorted(DATATYPES))
def test_every_type_is_found_again(name: str) -> None:
    """Name to NumPy and back is the same name."""
    assert datatype_of(np.zeros((1,), dtype=DATATYPES[name])) == name


def test_a_type_the_protocol_lacks_is_refused() -> None:
    """Complex numbers have no KServe type."""
    with pytest.raises(InvalidRequest, match="complex"):
        datatype_of(np.zeros((1,), dtype=np.complex64))


def test_texts_become_a_column_of_utf8() -> None:
    """One row a text, one column, bytes inside."""
    tensor = text_tensor(["a", "Ærø"])
    assert tensor.shape == (2, 1)
    assert tensor[1, 0] == "Ærø".encode()


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_bytes_survive(items: list[bytes]) -> None:
    """Any list of byte strings comes back."""
    assert decode_bytes(encode_bytes(objects(items))).tolist() == items


def test_bytes_match_the_official_client() -> None:
    """The bytes on the wire are those of Triton's own client."""
    tensor = objects([b"", b"a", "☃".encode(), b"\0" * 300])
    assert encode_bytes(tensor) == serialize_byte_tensor(tensor).item()


def test_text_is_sent_as_utf8() -> None:
    """Text, also in NumPy's text type, is sent as UTF-8."""
    assert encode_bytes(np.array(["é"])) == encode_bytes(objects(["é".encode()]))


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_bytes_are_counted_without_being_read(items: list[bytes]) -> None:
    """Walking the lengths finds as many elements as decoding does."""
    assert count_bytes(encode_bytes(objects(items))) == len(items)


@pytest.mark.parametrize(
    "data", [struct.pack("<I", 9) + b"short", struct.pack("<I", 1) + b"aa", b"\0\0", b"\xff\xff\xff\xff"]
)
def test_damaged_bytes_have_no_count(data: bytes) -> None:
    """A length that points past the end, or is cut short, is no element."""
    assert count_bytes(data) == -1


@pytest.mark.parametrize("name", sorted(DATATYPES))
def test_every_type_travels(name: str) -> None:
    """An array and its raw form are each other's inverse."""
    tensor = np.arange(6).astype(DATATYPES[name]).reshape(2, 3)
    if name == "BYTES":
        tensor = objects([b"a", b"", b"ccc"])
    raw = raw_of(tensor, "x")
    assert (raw.datatype, raw.shape) == (name, tensor.shape)
    back = tensor_of(raw, "x")
    assert back.dtype == tensor.dtype
    assert np.array_equal(back, tensor)


def test_bf16_is_read_as_its_bits() -> None:
    """BF16 becomes `uint16`, which nobody may write to."""
    tensor = tensor_of(RawTensor("BF16", (1, 2), b"\x80\x3f\x00\x40"))
    assert tensor.tolist() == [[0x3F80, 0x4000]]
    with pytest.raises(ValueError, match="read-only"):
        tensor[0, 0] = 1


def test_a_view_in_another_order_travels_in_the_order_of_its_shape() -> None:
    """A transposed array is written row by row."""
    assert raw_of(np.arange(6, dtype=np.uint8).reshape(2, 3).T).data == bytes([0, 3, 1, 4, 2, 5])


@pytest.mark.parametrize(
    "raw",
    [
        RawTensor("FP32", (3,), b"\0" * 8),
        RawTensor("FP32", (16, (1 << 60) + 2), b"\0" * 128),
        RawTensor("UINT8", (1 << 40,), b""),
        RawTensor("FP32", (-1,), b""),
        RawTensor("FP32", (-2, -2), b"\0" * 16),
        RawTensor("UINT8", (1,) * 33, b"\0"),
        RawTensor("BYTES", (2,), b"\0" * 4),
        RawTensor("BYTES", (0,), b"\0" * 4),
        RawTensor("BYTES", (1 << 30,), b""),
        RawTensor("FP8", (1,), b"\0"),
    ],
    ids=["short", "overflow", "huge", "free", "negative", "rank", "fewer", "more", "many", "type"],
)
def test_contradictions_are_refused(raw: RawTensor) -> None:
    """Data that does not fit type and shape is an invalid request that names the tensor."""
    with pytest.raises(InvalidRequest, match="'x'") as caught:
        check_raw(raw, "x")
    assert caught.value.param == "x"


@pytest.mark.parametrize("shape", [(), (1,), (0, 5), (2, 3)])
def test_elements_are_counted(shape: tuple[int, ...]) -> None:
    """No dimensions is one element; a dimension of zero leaves none."""
    assert element_count(shape) == np.empty(shape).size
    check_raw(RawTensor("UINT8", shape, b"\0" * element_count(shape)), "x")


@pytest.mark.parametrize("item", [None, 1, 1.5, ["a"], "\ud800"])
def test_other_objects_do_not_travel(item: object) -> None:
    """An object array with anything but bytes and text is an invalid request that names the tensor."""
    tensor = np.empty(1, dtype=np.object_)
    tensor[0] = item
    with pytest.raises(InvalidRequest) as caught:
        raw_of(tensor, "x")
    assert caught.value.param == "x"


@pytest.mark.parametrize("shape", [(2**31 - 1, 2, 0), (0, 2**16, 2**15), (2**31 - 1, 2**31 - 1, 2**31 - 1, 0)])
def test_an_empty_tensor_may_not_be_enormous(shape: tuple[int, ...]) -> None:
    """NumPy takes it for an array too big, which ends a model's process."""
    with pytest.raises(InvalidRequest, match="multiply"):
        element_count(shape, "x")
