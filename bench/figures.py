"""Statistics of noisy measurements: percentiles, medians and ratios of neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie, linear between neighbours; NaN of nothing.

    Raises:
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a percentile is between 0 and 1, got {share}")
    if not values:
        return math.nan
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def middle(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    return median(values) if values else math.nan


def neighbour_ratios(baselines: Sequence[float], subjects: Sequence[float]) -> list[float]:
    """Each subject over the mean of the baselines measured just before and just after it.

    The order of measuring is B S B S … B, so there is one baseline more than subjects. A machine that slows down
    between two measurements slows both neighbours, and the ratio keeps.

    Raises:
        ValueError: the lengths do not fit that order.
    """
    if len(baselines) != len(subjects) + 1:
        raise ValueError(f"{len(subjects)} subjects need {len(subjects) + 1} baselines, got {len(baselines)}")
    return [
        subject / ((before + after) / 2)
        for subject, before, after in zip(subjects, baselines, baselines[1:], strict=False)
    ]


def neighbour_differences(baselines: Sequence[float], subjects: Sequence[float]) -> list[float]:
    """As `neighbour_ratios`, with the difference subject minus baseline.

    Raises:
        ValueError: the lengths do not fit the order B S B S … B.
    """
    if len(baselines) != len(subjects) + 1:
        raise ValueError(f"{len(subjects)} subjects need {len(subjects) + 1} baselines, got {len(baselines)}")
    return [
        subject - (before + after) / 2
        for subject, before, after in zip(subjects, baselines, baselines[1:], strict=False)
    ]


def spread(values: Sequence[float]) -> str:
    """Lowest and highest, for a reader who wants to know how noisy the machine was."""
    return f"{min(values):.3g}..{max(values):.3g}" if values else "nothing"
