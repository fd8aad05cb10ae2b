"""Put rows of similar lengths into batches whose shapes come from a small table.

A GPU replays a captured graph only for the very shape it was captured with, so there both sizes are rounded up to few
values, and batches are filled with rows that nobody asked for. A processor takes any number of rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from argosy.core.tensors import Tensor
from argosy.engines.encoders.tokens import TokenRow

_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Bucket:
    """The shape of a batch."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        """Tokens the network reads, padding included."""
        return self.rows * self.length


@dataclass(frozen=True, slots=True)
class Batch:
    """A network's inputs.

    Attributes:
        ids: INT64 [rows, length].
        mask: INT64 [rows, length], 1 for a row's own tokens; every row has one at least.
        types: INT64 [rows, length], which text of a pair a token belongs to.
        count: rows that somebody asked for; they come first.
    """

    ids: Tensor
    mask: Tensor
    types: Tensor
    count: int

    @property
    def bucket(self) -> Bucket:
        """Its shape."""
        rows, length = self.ids.shape
        return Bucket(rows, length)


@dataclass(frozen=True, slots=True)
class BucketTable:
    """The shapes that batches may have.

    Attributes:
        lengths: ascending; the last is the longest input.
        rows: ascending, the first is 1.
        tokens: most tokens of a batch, padding included; one row may exceed it.
    """

    lengths: tuple[int, ...]
    rows: tuple[int, ...]
    tokens: int

    @classmethod
    def for_processor(cls, longest: int) -> BucketTable:
        """Any number of rows up to 8, and lengths an eighth apart: padding is dear, and shapes cost little."""
        return cls(_lengths(longest, 8), tuple(range(1, 9)), 2048)

    @classmethod
    def for_gpu(cls, longest: int) -> BucketTable:
        """Powers of 2 for rows, and two lengths for each: few enough shapes to capture."""
        return cls(_lengths(longest, 2), (1, 2, 4, 8, 16, 32, 64), 16384)

    def fit(self, rows: int, length: int) -> Bucket:
        """The smallest shape that holds so many rows of that length."""
        return Bucket(self.rows[bisect_left(self.rows, rows)], self.lengths[bisect_left(self.lengths, length)])

    def plan(self, lengths: Sequence[int], streams: int = 1) -> Iterator[tuple[Bucket, list[int]]]:
        """Indices of `lengths` grouped into batches, longest first, as many as keep all streams equally busy.

        A batch is closed when it is full, or when the next row would be padding by half and more.
        """
        order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
        most = self._share(len(lengths), streams)
        group: list[int] = []
        for index in order:
            if group and (len(group) == most or not self._joins(lengths[index], lengths[group[0]], len(group))):
                yield self.fit(len(group), lengths[group[0]]), group
                group = []
            group.append(index)
        if group:
            yield self.fit(len(group), lengths[group[0]]), group

    def shapes(self, most_tokens: int) -> list[Bucket]:
        """Every shape of at most so many tokens, largest first."""
        every = [Bucket(rows, length) for rows in self.rows for length in self.lengths]
        fitting = [bucket for bucket in every if bucket.tokens <= min(most_tokens, self.tokens)]
        return sorted(fitting, key=lambda bucket: (bucket.tokens, bucket.rows), reverse=True)

    def _share(self, count: int, streams: int) -> int:
        """Rows a batch so that the number of batches is a multiple of the streams."""
        rounds = -(-count // (self.rows[-1] * streams))
        return max(1, -(-count // max(1, rounds * streams)))

    def _joins(self, length: int, longest: int, rows: int) -> bool:
        bucket = self.fit(rows + 1, longest)
        return bucket.tokens <= self.tokens and 2 * self.fit(1, length).length > bucket.length


def fill(bucket: Bucket, rows: Sequence[TokenRow], filler: int) -> Batch:
    """A batch of that shape; what the rows leave free is `filler`, read as no token."""
    ids = np.full((bucket.rows, bucket.length), filler, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = row.ids
        mask[place, : len(row.ids)] = 1
        if row.type_ids is not None:
            types[place, : len(row.type_ids)] = row.type_ids
    # A row that reads nothing at all would be a division by zero.
    mask[len(rows) :, 0] = 1
    return Batch(ids, mask, types, len(rows))


def _lengths(longest: int, steps: int) -> tuple[int, ...]:
    """Lengths up to `longest`, so many between a power of 2 and the next."""
    lengths, power = set(), _SHORTEST
    while power < longest:
        lengths |= {power + power * step // steps for step in range(steps)}
        power *= 2
    return (*sorted(length for length in lengths if length < longest), longest)
