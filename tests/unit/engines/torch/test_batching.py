"""Batches in shapes of a small table: every row once, similar lengths together, padding that nothing reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.engines.encoders.tokens import TokenRow
from argosy.engines.torch.batching import Bucket, BucketTable, fill

TABLES = st.builds(
    lambda longest, gpu: BucketTable.for_gpu(longest) if gpu else BucketTable.for_processor(longest),
    st.integers(1, 9000),
    st.booleans(),
)


@st.composite
def tables_and_lengths(draw: st.DrawFn) -> tuple[BucketTable, list[int]]:
    table = draw(TABLES)
    return table, draw(st.lists(st.integers(1, table.lengths[-1]), max_size=150))


@given(tables_and_lengths(), st.integers(1, 8))
def test_plans_every_row_once_in_a_shape_of_the_table(given_: tuple[BucketTable, list[int]], streams: int) -> None:
    """Each row is in exactly one batch that is long enough for it, and wide enough for all its rows."""
    table, lengths = given_
    plan = [*table.plan(lengths, streams)]
    assert sorted(index for _, group in plan for index in group) == list(range(len(lengths)))
    for bucket, group in plan:
        assert bucket.rows in table.rows
        assert bucket.length in table.lengths
        assert len(group) <= bucket.rows
        assert max(lengths[index] for index in group) <= bucket.length
        assert len(group) == 1 or bucket.tokens <= table.tokens


@given(tables_and_lengths())
def test_no_row_is_padded_to_twice_its_length_for_others(given_: tuple[BucketTable, list[int]]) -> None:
    """A short text does not ride along with a long one."""
    table, lengths = given_
    for bucket, group in table.plan(lengths):
        assert all(2 * table.fit(1, lengths[index]).length > bucket.length for index in group)


@given(TABLES)
def test_lengths_are_few_and_near(table: BucketTable) -> None:
    """They ascend to the longest input, and a length wastes half of itself at most."""
    assert [*table.lengths] == sorted(set(table.lengths))
    for shorter, longer in zip(table.lengths, table.lengths[1:], strict=False):
        assert longer <= 1.5 * shorter + 1 or longer <= 4
    assert len(table.lengths) <= 100


@pytest.mark.parametrize(("rows", "length", "bucket"), [(1, 1, (1, 4)), (3, 9, (4, 12)), (64, 512, (64, 512))])
def test_a_gpu_rounds_both_sizes(rows: int, length: int, bucket: tuple[int, int]) -> None:
    """To the next that has been captured."""
    assert BucketTable.for_gpu(512).fit(rows, length) == Bucket(*bucket)


def test_a_processor_adds_no_rows() -> None:
    """Eleven short rows are six and five."""
    assert [bucket for bucket, _ in BucketTable.for_processor(256).plan([5] * 11)] == [Bucket(6, 5), Bucket(5, 5)]


@pytest.mark.parametrize(("count", "rows"), [(10, [5, 5]), (64, [8] * 8), (1, [1]), (17, [5, 5, 5, 2])])
def test_streams_share_the_rows(count: int, rows: list[int]) -> None:
    """Each has as many batches as the others, and they are alike."""
    assert [bucket.rows for bucket, _ in BucketTable.for_processor(256).plan([5] * count, 2)] == rows


@pytest.mark.parametrize("table", [BucketTable.for_processor(512), BucketTable.for_gpu(8192)])
def test_a_batch_has_so_many_tokens_at_most(table: BucketTable) -> None:
    """Long rows come in smaller batches: memory grows with what a batch reads."""
    buckets = [bucket for bucket, _ in table.plan([table.lengths[-1]] * 32)]
    assert {bucket.tokens for bucket in buckets} == {table.tokens}
    assert sum(bucket.rows for bucket in buckets) == 32


def test_captured_shapes_come_largest_first_and_are_bounded() -> None:
    """The smaller ones then fit into the memory of the larger; what keeps a GPU busy anyway is not captured."""
    shapes = BucketTable.for_gpu(512).shapes(4096)
    sizes = [bucket.tokens for bucket in shapes]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) == 4096
    assert len(shapes) == len(set(shapes)) < 100
    assert Bucket(1, 4) in shapes


def test_fills_what_rows_leave_free() -> None:
    """Own tokens are marked, the rest is filler; a row that nobody asked for reads one token."""
    pair = TokenRow(np.array([2, 5, 3]), np.array([0, 0, 1]))
    batch = fill(Bucket(3, 4), [pair, TokenRow(np.array([2, 3]))], 9)
    assert batch.ids.tolist() == [[2, 5, 3, 9], [2, 3, 9, 9], [9, 9, 9, 9]]
    assert batch.mask.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert batch.types.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (batch.count, batch.bucket) == (2, Bucket(3, 4))
