from __future__ import annotations

import numpy as np
import pytest

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor, text_tensor
from argosy.inspection.outputs.tensors import (
    check_batch,
    class_numbers,
    describe,
    fits,
    flags,
    numbers,
    probabilities,
)

ROWS = (("N", 3),)


@pytest.mark.parametrize("shape", [(1, 3), (7, 3), (-1, 3), (0, 3), (2, -1)])
def test_shapes_that_fit(shape: tuple[int, ...]) -> None:
    """Words stand for any number, and a size that is not known yet may be the right one."""
    assert fits(shape, ROWS)


@pytest.mark.parametrize("shape", [(3,), (1, 4), (1, 3, 1), ()])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    """Numbers are exact, and so is how many there are."""
    assert not fits(shape, ROWS)


def test_a_map_has_pixels() -> None:
    """There may be no boxes; a map without rows is broken."""
    assert fits((1, 0, 6), (("N", "boxes", 6),))
    assert not fits((1, 0, 6), (("N", "rows", 6),))


def test_patterns_in_words() -> None:
    """Alternatives are joined, as errors show them."""
    assert describe((("N",), ("N", 1))) == "[N] or [N, 1]"


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (np.zeros((1, 4), dtype=np.float32), r"\[1, 4\]; \[N, 3\] was expected"),
        (np.array([[0, np.nan, 1]], dtype=np.float32), "NaN or infinity"),
        (np.array([[0, np.inf, 1]], dtype=np.float32), "NaN or infinity"),
        (np.array([[0, -np.inf, 1]], dtype=np.float16), "NaN or infinity"),
        (np.array([[0, 1e300, 1]]), "NaN or infinity"),
        (text_tensor(["a", "b", "c"]).reshape(1, 3), "no numbers"),
    ],
)
def test_broken_tensors_are_named(tensor: Tensor, why: str) -> None:
    """A wrong shape or type, or a number that is none, is the engine's failure, with the tensor's name."""
    with pytest.raises(EngineError, match=why) as caught:
        numbers({"rows": tensor}, "rows", ROWS)
    assert caught.value.param == "rows"


def test_a_missing_tensor_is_named() -> None:
    """The message says what there is instead."""
    with pytest.raises(EngineError, match="no output 'rows'; it gave a, b") as caught:
        numbers({"b": np.zeros(1), "a": np.zeros(1)}, "rows", ROWS)
    assert caught.value.param == "rows"


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint8, np.int64, np.bool_])
def test_any_numbers_become_fp32(dtype: type[np.generic]) -> None:
    """Half precision and whole numbers are read as well."""
    read = numbers({"rows": np.array([[0, 1, 1]], dtype=dtype)}, "rows", ROWS)
    assert read.dtype == np.float32
    assert read.tolist() == [[0, 1, 1]]


def test_rounding_is_still_a_probability() -> None:
    """A softmax in half precision may end at 1.001."""
    assert probabilities({"p": np.array([[1.001, 0, -0.001]])}, "p", ROWS).shape == (1, 3)


@pytest.mark.parametrize(("value", "said"), [(1.01, "1.01"), (-0.5, "-0.5"), (12.5, "12.5")])
def test_logits_are_no_probabilities(value: float, said: str) -> None:
    """Numbers outside of 0 to 1 show that the specification is wrong; the message says which one was seen."""
    with pytest.raises(EngineError, match=f"'p' holds {said} ") as caught:
        probabilities({"p": np.array([[0, value, 1]])}, "p", ROWS)
    assert caught.value.param == "p"


def test_flags_are_above_one_half() -> None:
    """Yes and no come as truth values, numbers or probabilities."""
    for tensor in (np.array([[False, True, True]]), np.array([[0, 1, 1]]), np.array([[0.5, 0.51, 1.0]])):
        assert flags({"f": tensor}, "f", ROWS).tolist() == [[False, True, True]]


@pytest.mark.parametrize("value", [-1.0, 2.0, 0.5, 1e9])
def test_numbers_that_are_no_class(value: float) -> None:
    """A class that the specification does not name is an error and no index."""
    with pytest.raises(EngineError, match="names 2") as caught:
        class_numbers(np.array([0, value], dtype=np.float32), 2, "out")
    assert caught.value.param == "out"


def test_batches_agree() -> None:
    """Two tensors for different numbers of images cannot be paired."""
    check_batch({"a": np.zeros((2, 1)), "b": np.zeros((2, 5))})
    with pytest.raises(EngineError, match="2 and 3 images") as caught:
        check_batch({"a": np.zeros((2, 1)), "b": np.zeros((3, 5))})
    assert caught.value.param == "b"
