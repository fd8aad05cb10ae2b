"""Random streams by address: what is drawn under one address never depends on what was drawn under another.

The key of a stream is the `spawn_key` of NumPy's `SeedSequence`, so two addresses give independent streams and the bit
generator is always PCG64, whatever NumPy's default becomes.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from argosy.core.errors import InvalidRequest

VERSION = 1
"""Version of the drawn data. It changes whenever the same seed would give other bytes."""


class Purpose(IntEnum):
    """First number of a stream's key: two purposes never share a stream, whatever the rest of their keys."""

    PRODUCT = 0
    REFERENCE = 1
    LOT = 2
    WAFER = 3
    DIE = 4
    DEFECT = 5
    SPLIT = 6
    SAMPLE = 7


def stream(seed: int, purpose: Purpose, *address: int) -> np.random.Generator:
    """The random stream of one address.

    Args:
        seed: the data set's seed, 0 or greater.
        purpose: what is drawn.
        address: product, lot, wafer, ... as far as the purpose needs them; each 0 or greater.

    Raises:
        InvalidRequest: the seed or a part of the address is negative.
    """
    if seed < 0:
        raise InvalidRequest(f"The seed is {seed}. Use an integer of 0 or greater.", param="seed")
    if any(part < 0 for part in address):
        raise InvalidRequest(f"The address {address} has a negative part. Count from 0.", param="address")
    key = (VERSION, int(purpose), *address)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
