from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.dataset import Lot, draw_dies, split_lots


@given(
    seed=st.integers(0, 2**32),
    products=st.integers(3, 60),
    lots=st.integers(1, 4),
    validation=st.floats(0, 0.3),
    test=st.floats(0, 0.3),
)
def test_no_product_and_no_lot_is_in_two_parts(
    seed: int, products: int, lots: int, validation: float, test: float
) -> None:
    """The parts share nothing, none is empty, and together they are everything."""
    split = split_lots(seed, products, lots, validation=validation, test=test)
    parts = (split.training, split.validation, split.test)
    of_parts = [{lot.product for lot in part} for part in parts]
    assert all(parts)
    assert sum(map(len, of_parts)) == len(set().union(*of_parts)) == products
    assert {lot for part in parts for lot in part} == {Lot(p, lot) for p in range(products) for lot in range(lots)}


def test_the_seed_decides_the_split() -> None:
    """One seed gives one split, another seed another."""
    assert split_lots(1, 30, 2) == split_lots(1, 30, 2)
    assert split_lots(1, 30, 2) != split_lots(2, 30, 2)


@pytest.mark.parametrize(("products", "lots"), [(2, 1), (10, 0)])
def test_too_little_to_split_is_refused(products: int, lots: int) -> None:
    """Each part needs a product, each product a lot."""
    with pytest.raises(InvalidRequest):
        split_lots(1, products, lots)


def test_drawing_fewer_lots_gives_the_same_dies() -> None:
    """A lot's dies do not depend on the lots before it."""
    both = list(draw_dies(5, (Lot(0, 0), Lot(1, 3)), 3, (128, 128)))
    alone = list(draw_dies(5, (Lot(1, 3),), 3, (128, 128)))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(both[3:], alone, strict=True))


def test_good_and_bad_dies_are_drawn() -> None:
    """At one random defect per die, both kinds are well represented."""
    dies = list(draw_dies(6, (Lot(0, 0), Lot(1, 0)), 40, (128, 128), density=1.0))
    good = sum(not die.defects for die in dies) / len(dies)
    assert 0.2 < good < 0.55


@pytest.mark.parametrize("count", [0, 100_000])
def test_impossible_counts_are_refused(count: int) -> None:
    """A wafer gives at least one die and no more than it has."""
    with pytest.raises(InvalidRequest) as refused:
        list(draw_dies(6, (Lot(0, 0),), count, (128, 128)))
    assert refused.value.param == "dies_per_lot"
