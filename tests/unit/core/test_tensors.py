from __future__ import annotations

import numpy as np
import pytest

from argosy.core.errors import InvalidRequest
from argosy.core.tensors import DATATYPES, datatype_of, text_tensor


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
