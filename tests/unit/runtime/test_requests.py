"""Generation requests and chunks survive the way through tensors, and mistakes are named."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.tensors import Tensor, raw_of
from argosy.engines.contract import Chunk, Constraint, ConstraintKind, GenerationRequest, Sampling, TokenLogprob
from argosy.runtime.requests import decode_chunk, decode_generation, encode_chunk, encode_generation

SAMPLING = st.builds(
    Sampling,
    max_tokens=st.none() | st.integers(1, 1 << 40),
    min_tokens=st.integers(0, 1000),
    temperature=st.floats(0, 5),
    top_p=st.floats(0.01, 1),
    top_k=st.integers(0, 1000),
    repetition_penalty=st.floats(0.1, 3),
    presence_penalty=st.floats(-2, 2),
    frequency_penalty=st.floats(-2, 2),
    seed=st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    stop=st.lists(st.text(min_size=1, max_size=20), max_size=4).map(tuple),
    ignore_eos=st.booleans(),
    add_special_tokens=st.booleans(),
    include_stop=st.booleans(),
    min_p=st.floats(0, 1),
    logprobs=st.booleans(),
    top_logprobs=st.integers(0, 20),
    logit_bias=st.dictionaries(st.integers(0, (1 << 31) - 1), st.floats(-100, 100), max_size=4),
    constraint=st.none() | st.builds(Constraint, st.sampled_from(ConstraintKind), st.text(min_size=1)),
)

TOKENS = st.builds(TokenLogprob, st.binary(max_size=8), st.floats(-9999, 0))
LOGPROBS = st.lists(
    st.builds(TokenLogprob, st.binary(max_size=8), st.floats(-9999, 0), st.lists(TOKENS, max_size=3).map(tuple)),
    max_size=4,
).map(tuple)


def tensor(value: str | bytes) -> Tensor:
    return np.array([value if isinstance(value, bytes) else value.encode()], dtype=np.object_)


def received(tensors: Mapping[str, Tensor]) -> Chunk:
    """The chunk as the gateway reads it from the wire."""
    return decode_chunk({name: raw_of(value, name) for name, value in tensors.items()})


def with_sampling(text: str | bytes) -> Mapping[str, Tensor]:
    return {"text_input": tensor("hi"), "sampling_parameters": tensor(text)}


@given(st.text(), SAMPLING)
def test_a_text_request_comes_back(prompt: str, sampling: Sampling) -> None:
    """Decoding an encoded request gives the request."""
    request = GenerationRequest(prompt, sampling)
    assert decode_generation(encode_generation(request)) == request


def test_token_ids_come_back() -> None:
    """Token ids are INT32 and stay 1-D, with or without a leading dimension of 1."""
    ids = np.array([5, 6, 7], dtype=np.int32)
    for shaped in (ids, ids[None]):
        request = decode_generation({"input_ids": shaped})
        assert isinstance(request.prompt, np.ndarray)
        np.testing.assert_array_equal(request.prompt, ids)


def test_sampling_may_be_left_out() -> None:
    """Without `sampling_parameters`, or with an empty text, the defaults hold."""
    assert decode_generation({"text_input": tensor("hi")}) == GenerationRequest("hi")
    assert decode_generation(with_sampling("")).sampling == Sampling()
    assert decode_generation(with_sampling("{}")).sampling == Sampling()


def test_accepts_what_the_vllm_backends_clients_send() -> None:
    """A leading batch dimension, one stop text without a list, and top_k -1 are understood."""
    inputs = {
        "text_input": tensor("hi")[None],
        "sampling_parameters": tensor('{"stop": "END", "top_k": -1, "temperature": 0}')[None],
    }
    assert decode_generation(inputs).sampling == Sampling(stop=("END",), top_k=0, temperature=0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", "5"),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("min_tokens", -1),
        ("temperature", -0.1),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", 1.1),
        ("top_k", -2),
        ("repetition_penalty", 0),
        ("presence_penalty", 2.1),
        ("frequency_penalty", -3),
        ("seed", 1 << 63),
        ("seed", "x"),
        ("stop", 5),
        ("ignore_eos", 1),
        ("min_p", 1.1),
        ("logprobs", 5),
        ("top_logprobs", 21),
        ("top_logprobs", -1),
        ("logit_bias", [1]),
        ("logit_bias", {"word": 1}),
        ("logit_bias", {"-1": 1}),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {str(token): 1 for token in range(1025)}),
        ("constraint", "[0-9]+"),
    ],
)
def test_a_wrong_sampling_value_is_named(field: str, value: object) -> None:
    """A wrong type or value is `InvalidRequest`, and `param` is the field."""
    with pytest.raises(InvalidRequest) as caught:
        decode_generation(with_sampling(json.dumps({field: value})))
    assert caught.value.param == field
    assert field in caught.value.message


def test_a_wrong_stop_text_is_named_with_its_place() -> None:
    """The second stop text is `stop[1]`, as the path of the field."""
    for bad in ("", 7, "x" * 1025):
        with pytest.raises(InvalidRequest) as caught:
            decode_generation(with_sampling(json.dumps({"stop": ["a", bad]})))
        assert caught.value.param == "stop[1]"


@pytest.mark.parametrize(
    ("constraint", "param"),
    [
        ({"kind": "poem", "text": "x"}, "constraint.kind"),
        ({"kind": "regex", "text": ""}, "constraint.text"),
        ({"kind": "regex", "text": "x" * ((1 << 16) + 1)}, "constraint.text"),
        ({"kind": "regex"}, "constraint"),
    ],
)
def test_a_wrong_constraint_is_named_with_its_place(constraint: object, param: str) -> None:
    """A constraint of an unknown kind, without text or with too much of it names the part at fault."""
    with pytest.raises(InvalidRequest) as caught:
        decode_generation(with_sampling(json.dumps({"constraint": constraint})))
    assert caught.value.param == param


def test_an_unknown_sampling_field_is_not_dropped() -> None:
    """A field that no engine reads is `UnsupportedParameter` by its name."""
    with pytest.raises(UnsupportedParameter) as caught:
        decode_generation(with_sampling('{"best_of": 2}'))
    assert caught.value.param == "best_of"


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"temperature": NaN}', "[" * 100_000, '{"a":' * 100_000, b"\xff"])
def test_sampling_that_is_no_json_object_is_refused(text: str | bytes) -> None:
    """Anything but a JSON object is `InvalidRequest`."""
    with pytest.raises(InvalidRequest):
        decode_generation(with_sampling(text))


@pytest.mark.parametrize(
    ("inputs", "param"),
    [
        ({}, "text_input"),
        ({"text_input": tensor("a"), "input_ids": np.array([1], dtype=np.int32)}, "text_input"),
        ({"text_input": np.array([b"a", b"b"], dtype=np.object_)}, "text_input"),
        ({"text_input": np.array([1.0])}, "text_input"),
        ({"text_input": tensor(b"\xff\xfe")}, "text_input"),
        ({"input_ids": np.array([1], dtype=np.int64)}, "input_ids"),
        ({"input_ids": np.array([[1], [2]], dtype=np.int32)}, "input_ids"),
        ({"input_ids": np.array(1, dtype=np.int32)}, "input_ids"),
    ],
)
def test_a_wrong_tensor_is_named(inputs: Mapping[str, Tensor], param: str) -> None:
    """A missing, doubled, misshapen or mistyped tensor is `InvalidRequest`, and `param` is its name."""
    with pytest.raises(InvalidRequest) as caught:
        decode_generation(inputs)
    assert caught.value.param == param


@given(st.text(), st.sampled_from(["stop", "length", "cancelled"]), st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_a_last_chunk_comes_back(text: str, reason: str, read: int, written: int) -> None:
    """Decoding an encoded last chunk gives the chunk."""
    chunk = Chunk(text, reason, read, written)
    assert received(encode_chunk(chunk)) == chunk


@given(st.text())
def test_a_running_chunk_carries_its_text_only(text: str) -> None:
    """A chunk in the middle is one tensor, and decodes to its text."""
    tensors = encode_chunk(Chunk(text, None, 5, 3))
    assert [*tensors] == ["text_output"]
    assert received(tensors) == Chunk(text)


def test_a_running_chunk_counts_when_asked_to() -> None:
    """With `counts` a chunk in the middle has the counts of a last one."""
    chunk = Chunk("a", None, 5, 3)
    assert received(encode_chunk(chunk, counts=True)) == chunk


@given(st.text(), LOGPROBS)
def test_log_probabilities_come_back(text: str, logprobs: tuple[TokenLogprob, ...]) -> None:
    """A chunk's log-probabilities come back to the bit, the bytes of halved characters too."""
    assert received(encode_chunk(Chunk(text, logprobs=logprobs))) == Chunk(text, logprobs=logprobs)


def test_log_probabilities_are_readable_json() -> None:
    """A client that speaks to Triton reads objects whose `token` is base64."""
    told = encode_chunk(Chunk("é", logprobs=(TokenLogprob(b"\xc3", -0.5, (TokenLogprob(b"a", -2.0),)),)))["logprobs"]
    best = {"token": "YQ==", "logprob": -2.0, "top": []}
    assert json.loads(told.item()) == [{"token": "ww==", "logprob": -0.5, "top": [best]}]


def test_an_empty_response_is_an_empty_chunk() -> None:
    """A response without tensors, such as an empty final one, is a chunk that says nothing."""
    assert decode_chunk({}) == Chunk()
    assert received({"text_output": tensor(""), "finish_reason": tensor("")}) == Chunk()
