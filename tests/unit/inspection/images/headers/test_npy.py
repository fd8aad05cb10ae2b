from __future__ import annotations

import numpy as np
import pytest

from argosy.core.errors import InvalidRequest, UnsupportedMediaType
from argosy.inspection.images.headers.header import ImageLimits
from argosy.inspection.images.headers.npy import read_npy
from tests.unit.inspection.images.files import gradient, npy

LIMITS = ImageLimits()


@pytest.mark.parametrize("dtype", ["|u1", "<u2", ">u2"])
def test_unsigned_arrays_are_taken(dtype: str) -> None:
    """8 and 16 bits, in either byte order."""
    assert read_npy(npy(gradient().astype(dtype)), LIMITS).bit_depth == 8 * np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32", "bool", "S4", "M8[s]"])
def test_other_elements_are_refused(dtype: str) -> None:
    """Numbers that are no samples are not turned into some."""
    with pytest.raises(UnsupportedMediaType, match="not uint8 or uint16"):
        read_npy(npy(np.zeros((4, 4), dtype)), LIMITS)


def test_objects_are_refused() -> None:
    """An array of objects is a pickle; it is refused by its header."""
    with pytest.raises(UnsupportedMediaType, match="not uint8 or uint16"):
        read_npy(npy(np.array([[object, 1]], dtype=object), allow_pickle=True), LIMITS)


def test_records_are_refused() -> None:
    """Elements of several fields are no samples."""
    with pytest.raises(UnsupportedMediaType, match="records"):
        read_npy(npy(np.zeros((4, 4), [("a", "u1"), ("b", "u2")])), LIMITS)


@pytest.mark.parametrize("shape", [(), (4,), (4, 4, 3, 1, 1)])
def test_shapes_that_are_no_picture_are_refused(shape: tuple[int, ...]) -> None:
    """A picture has two or three axes."""
    with pytest.raises((UnsupportedMediaType, InvalidRequest)):
        read_npy(npy(np.zeros(shape, np.uint8)), LIMITS)


def test_a_stack_is_counted() -> None:
    """A stack of five pictures is refused with their number."""
    with pytest.raises(InvalidRequest, match="holds 5 pictures"):
        read_npy(npy(np.zeros((5, 4, 4, 3), np.uint8)), LIMITS)
    with pytest.raises(InvalidRequest, match="holds 5 pictures"):
        read_npy(npy(np.zeros((5, 4, 4), np.uint8)), LIMITS)


def test_a_header_is_not_evaluated() -> None:
    """A header that NumPy would not write is refused, whatever it would mean as Python."""
    data = npy(gradient())
    with pytest.raises(InvalidRequest, match="not one that NumPy writes"):
        read_npy(data.replace(b"(24, 32)", b"(24,8*4)"), LIMITS)
