from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.memory import MemoryAmount, in_words


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1048576", 1 << 20), ("6GiB", 6 << 30), ("6g", 6 << 30), ("1.5 MiB", 3 << 19), ("800MB", 800_000_000)],
)
def test_an_amount_is_bytes_with_a_unit(text: str, size: int) -> None:
    """Powers of 1024 with an i or a bare letter, of 1000 with a B."""
    assert MemoryAmount.parse(text).of(1 << 40) == size
    assert bool(MemoryAmount.parse(text)) is bool(size)


def test_an_amount_is_a_share_of_what_there_is() -> None:
    """Of a machine's memory or its container's."""
    amount = MemoryAmount.parse("12.5%")
    assert amount.of(800) == 100
    assert str(amount) == "12.5%"


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1 XiB", "101%", "1e3", "many", "nan", "5 5"])
def test_anything_else_is_refused(text: str) -> None:
    """The error shows what would do."""
    with pytest.raises(ValueError, match="expected"):
        MemoryAmount.parse(text)


@settings(deadline=None)
@given(st.integers(0, 1 << 50))
def test_words_are_near_the_number(size: int) -> None:
    """One decimal from GiB on, whole MiB below; an amount in words is read back as nearly the same."""
    read = MemoryAmount.parse(in_words(size).replace(" bytes", "")).size
    assert abs(read - size) <= max(1 << 19, size * 0.05)
