"""Micro-batches: every row once, similar lengths together, all streams busy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from argosy.engines.openvino import batching


@given(st.lists(st.integers(1, 600), max_size=150), st.integers(1, 8))
def test_plans_every_row_once_within_the_limits(lengths: list[int], streams: int) -> None:
    """Each row is in exactly one group, and no group exceeds its rows or, with several rows, its tokens."""
    groups = batching.plan(lengths, streams)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert 1 <= len(group) <= batching.ROWS
        width = max(batching.round_up(lengths[index]) for index in group)
        assert len(group) == 1 or width * len(group) <= batching.TOKENS


@given(st.lists(st.integers(1, 600), max_size=80))
def test_groups_do_not_overlap_in_length(lengths: list[int]) -> None:
    """Sorted by length, the longest group first."""
    groups = batching.plan(lengths, 2)
    flat = [lengths[index] for group in groups for index in group]
    assert flat == sorted(lengths, reverse=True)


def test_shares_rows_between_streams() -> None:
    """Ten short rows on two streams are two groups of five, not eight and two."""
    assert [len(group) for group in batching.plan([4] * 10, 2)] == [5, 5]
    assert [len(group) for group in batching.plan([4] * 64, 2)] == [8] * 8
    assert [len(group) for group in batching.plan([4], 2)] == [1]


@given(st.integers(1, 2000))
def test_rounds_up_a_little(length: int) -> None:
    """The padded length is at least the length and wastes at most one step."""
    rounded = batching.round_up(length)
    assert length <= rounded < length + (2 if length <= 32 else 4 if length <= 64 else 8 if length <= 128 else 16)


def test_pads_to_the_rounded_length_and_never_beyond_the_models() -> None:
    """Rows are filled with the filler; the width stops at the model's longest."""
    rows = [np.arange(3), np.arange(1)]
    assert batching.pad(rows, 8, 9).tolist() == [[0, 1, 2, 9], [0, 9, 9, 9]]
    assert batching.pad(rows, 3, 9).shape == (2, 3)
