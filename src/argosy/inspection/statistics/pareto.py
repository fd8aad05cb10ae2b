"""Which classes make most of the defects: by number, by area or by any other weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import fsum

import numpy as np
from numpy.typing import ArrayLike

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import floats, same_length


@dataclass(frozen=True, slots=True)
class ParetoRow:
    """One class.

    Attributes:
        name: the class.
        count: its defects.
        value: what it is ranked by, in the unit of the weights; the count without weights.
        percent: its part of all values.
        cumulative_percent: that of it and all before it; exactly 100 in the last row.
    """

    name: str
    count: int
    value: float
    percent: float
    cumulative_percent: float


def pareto(classes: Sequence[str], weights: ArrayLike | None = None) -> tuple[ParetoRow, ...]:
    """Classes by falling value; equal values by name, so that equal data draw equal charts.

    Args:
        classes: of each defect, [defects].
        weights: of each defect, not negative, such as its area in px or its loss of yield, [defects]; None counts.

    Returns:
        One row for each class; none without defects. Percentages are 0 where all weights are.

    Raises:
        InvalidRequest: weights of another length, or a negative one.
    """
    weight = np.ones(len(classes)) if weights is None else floats(weights, "weights")
    same_length("weights", np.empty(len(classes)), weight)
    if weight.size and float(weight.min()) < 0.0:
        raise InvalidRequest("'weights' holds a negative value.", param="weights")
    members: dict[str, list[float]] = {}
    for name, value in zip(classes, weight.tolist(), strict=True):
        members.setdefault(name, []).append(value)
    ranked = sorted(
        ((name, len(values), fsum(values)) for name, values in members.items()), key=lambda r: (-r[2], r[0])
    )
    running = list(accumulate(value for _, _, value in ranked))
    total = running[-1] if running else 0.0

    def percent(value: float) -> float:
        return 100.0 * (value / total) if total > 0.0 else 0.0

    return tuple(
        ParetoRow(name, number, value, percent(value), percent(reached))
        for (name, number, value), reached in zip(ranked, running, strict=True)
    )
