from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.api.kserve.elements import decode_elements, encode_elements, flatten
from argosy.api.kserve.requests import InferReader
from argosy.core.errors import InvalidRequest
from argosy.core.tensors import DATATYPES, RawTensor

INTEGERS = [name for name, dtype in DATATYPES.items() if dtype.kind in "iu"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    ["inputs", "outputs", "id", "parameters", "name", "shape", "datatype", "data", "binary_data_size"]
)


def tensor(datatype: str, values: list[Any]) -> RawTensor:
    return RawTensor(datatype, (len(values),), encode_elements(datatype, values, "data"))


@settings(deadline=None)
@given(st.sampled_from(INTEGERS).flatmap(lambda name: st.tuples(st.just(name), integers(name))))
def test_integers_survive(case: tuple[str, list[int]]) -> None:
    """To the last bit of 64."""
    datatype, values = case
    assert decode_elements(tensor(datatype, values), "x").tolist() == values


def integers(datatype: str) -> st.SearchStrategy[list[int]]:
    limits = np.iinfo(DATATYPES[datatype])
    return st.lists(st.integers(int(limits.min), int(limits.max)), max_size=5)


@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5))
def test_numbers_survive(values: list[float]) -> None:
    """What fits FP32 fits both."""
    for datatype in ("FP32", "FP64"):
        assert decode_elements(tensor(datatype, values), "x").tolist() == values


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_texts_survive(values: list[str]) -> None:
    """Every character, and none."""
    assert decode_elements(tensor("BYTES", values), "x") == values


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_nested_lists_are_flattened_in_row_major_order(shape: list[int]) -> None:
    """Whatever dimension is 0."""
    array = np.arange(np.prod(shape)).reshape(shape)
    assert flatten(array.tolist(), shape, "data") == flatten(array.ravel().tolist(), shape, "data")


@pytest.mark.parametrize(("data", "shape", "flat"), [([7], [], [7]), ([[7]], [1, 1], [7]), ([[], []], [2, 0], [])])
def test_odd_shapes(data: list[Any], shape: list[int], flat: list[int]) -> None:
    """No dimensions, only ones, and one without elements."""
    assert flatten(data, shape, "data") == flat


@settings(deadline=None)
@given(st.dictionaries(NAMES | st.text(), JSON | st.lists(st.dictionaries(NAMES, JSON), max_size=3), max_size=5))
def test_any_json_is_read_or_refused(body: dict[str, Any]) -> None:
    """Nothing but the error that becomes a 400 comes out of the reader."""
    text = json.dumps(body).encode()
    for header in (None, str(len(text)).encode(), b"1"):
        with contextlib.suppress(InvalidRequest):
            assert InferReader().read(text, header).inputs is not None


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(0, 50))
def test_any_tail_is_read_or_refused(tail: bytes, size: int) -> None:
    """BYTES are walked, never believed."""
    given_input = {"name": "x", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [given_input]}).encode()
    fits = len(tail) == size >= 4 and int.from_bytes(tail[:4], "little") == size - 4
    with contextlib.nullcontext() if fits else pytest.raises(InvalidRequest, match="inputs"):
        call = InferReader().read(text + tail, str(len(text)).encode())
        assert bytes(call.inputs["x"].data) == tail
