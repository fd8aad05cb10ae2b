"""Data sets of dies: split by product and lot, never by picture.

Dies of one product share a layout and dies of one lot share a style, so a split by picture would measure memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from argosy.core.errors import InvalidRequest
from argosy.inspection.synthetic.dies import Die, draw_die
from argosy.inspection.synthetic.products import draw_layout
from argosy.inspection.synthetic.streams import Purpose, stream
from argosy.inspection.synthetic.wafers import draw_wafer


@dataclass(frozen=True, slots=True)
class Lot:
    """Address of one lot: its product's number and its own within the product."""

    product: int
    lot: int


@dataclass(frozen=True, slots=True)
class Split:
    """Lots for training, validation and test; no product, and so no lot, is in two of them."""

    training: tuple[Lot, ...]
    validation: tuple[Lot, ...]
    test: tuple[Lot, ...]


def split_lots(seed: int, products: int, lots: int, *, validation: float = 0.15, test: float = 0.15) -> Split:
    """Divide products, each with all of its lots.

    Args:
        seed: the data set's seed.
        products: number of products; at least 3.
        lots: lots of each product; at least 1.
        validation: share of the products for validation; at least one is taken.
        test: share of the products for the test; at least one is taken.

    Raises:
        InvalidRequest: too few products or lots, or shares that leave nothing to train on.
    """
    for_validation, for_test = max(round(products * validation), 1), max(round(products * test), 1)
    if lots < 1:
        raise InvalidRequest("A product needs at least one lot.", param="lots")
    if min(validation, test) < 0 or products - for_validation - for_test < 1:
        raise InvalidRequest(
            f"{products} products cannot be split so. Use at least 3, and shares that leave some for training.",
            param="products",
        )
    order = stream(seed, Purpose.SPLIT).permutation(products).tolist()

    def lots_of(chosen: list[int]) -> tuple[Lot, ...]:
        return tuple(Lot(product, lot) for product in sorted(chosen) for lot in range(lots))

    return Split(
        training=lots_of(order[for_validation + for_test :]),
        validation=lots_of(order[:for_validation]),
        test=lots_of(order[for_validation : for_validation + for_test]),
    )


def draw_dies(
    seed: int, lots: tuple[Lot, ...], dies_per_lot: int, size: tuple[int, int], *, density: float = 1.0
) -> Iterator[Die]:
    """Dies from the first wafer of each lot, at places that the seed chooses.

    Args:
        seed: the data set's seed.
        lots: the lots.
        dies_per_lot: dies from each; no more than its wafer has.
        size: height and width, px.
        density: expected random defects per die, besides the wafer's signature. At 1.0 about a third is good.

    Raises:
        InvalidRequest: a number is out of its range.
    """
    if dies_per_lot < 1:
        raise InvalidRequest("At least one die of each lot is needed.", param="dies_per_lot")
    for lot in lots:
        layout = draw_layout(seed, lot.product, size)
        wafer = draw_wafer(seed, lot.product, lot.lot, 0, density=density)
        if dies_per_lot > len(wafer.grid.dies):
            raise InvalidRequest(
                f"A wafer of product {lot.product} has {len(wafer.grid.dies)} dies. Ask for no more.",
                param="dies_per_lot",
            )
        rng = stream(seed, Purpose.SAMPLE, lot.product, lot.lot)
        for index in rng.choice(len(wafer.grid.dies), dies_per_lot, replace=False).tolist():
            yield draw_die(wafer, layout, *wafer.grid.dies[index])
