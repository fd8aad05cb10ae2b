from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.framing import join, split

RAW = pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER


@given(st.lists(st.binary(max_size=300), max_size=8), st.text(max_size=20), st.integers(0, (1 << 63) - 1))
def test_taken_apart_and_put_together_is_the_same(contents: list[bytes], name: str, number: int) -> None:
    """Cutting the tensors out and putting them back behind the rest is the same message."""
    message = pb.ModelInferRequest(model_name=name, raw_input_contents=contents)
    message.parameters["n"].int64_param = number
    message.inputs.add(name="x", shape=[number])
    head, found = split(message.SerializeToString(), RAW, 100)
    assert [bytes(value) for value in found] == contents
    assert not pb.ModelInferRequest.FromString(head).raw_input_contents
    assert pb.ModelInferRequest.FromString(join(head, RAW, found)) == message


def test_tensors_are_found_wherever_they_stand() -> None:
    """Fields may come in any order, tensors between others."""
    first = pb.ModelInferRequest(raw_input_contents=[b"a"]).SerializeToString()
    name = pb.ModelInferRequest(model_name="m").SerializeToString()
    second = pb.ModelInferRequest(raw_input_contents=[b"bb"]).SerializeToString()
    head, found = split(first + name + second, RAW, 100)
    assert head == name
    assert [bytes(value) for value in found] == [b"a", b"bb"]


def test_tensors_are_not_copied() -> None:
    """A tensor taken out is a view of the message."""
    data = pb.ModelInferRequest(model_name="m", raw_input_contents=[b"x" * 100]).SerializeToString()
    _, (found,) = split(data, RAW, 100)
    assert found.obj is data


def test_a_message_without_tensors_is_left_alone() -> None:
    """Nothing to cut out, nothing copied."""
    data = pb.ModelInferRequest(model_name="m").SerializeToString()
    assert split(data, RAW, 100) == (data, [])
    assert split(data, RAW, 100)[0] is data


@pytest.mark.parametrize(
    "data",
    [
        b"\x3a",
        b"\x3a\x05abc",
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x3a" + b"\xff" * 20,
        b"\x09\0\0",
        b"\x3b\x3c",
        b"\x3e",
    ],
    ids=["length", "value", "huge", "endless", "fixed", "group", "kind"],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """A message that is cut short, or is none, is an error and nothing else."""
    with pytest.raises(ValueError, match="message"):
        split(data, RAW, 100)


@given(st.binary(max_size=200))
def test_anything_is_taken_apart_or_refused(data: bytes) -> None:
    """Whatever the bytes are, the outcome is a message or a `ValueError`."""
    try:
        head, found = split(data, RAW, 1000)
    except ValueError:
        return
    assert len(head) + sum(map(len, found)) <= len(data)


def test_many_small_fields_are_refused() -> None:
    """A message that would grow a hundredfold when parsed is refused before."""
    with pytest.raises(ValueError, match="too many fields"):
        split(b"\x2a\x00" * 1_000_000, RAW, 1000)
