from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.drift import (
    benjamini_hochberg,
    class_shift,
    freeze_reference,
    psi,
    score_shift,
)

COUNTS = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(*(st.lists(st.integers(0, 900), min_size=bins, max_size=bins) for _ in range(2)))
)


@given(COUNTS)
def test_psi_by_its_definition(counts: tuple[list[int], list[int]]) -> None:
    """The sum over bins with half a count added to each, symmetric and never negative."""
    before, after = counts
    p = [(c + 0.5) / (sum(before) + 0.5 * len(before)) for c in before]
    q = [(c + 0.5) / (sum(after) + 0.5 * len(after)) for c in after]
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert psi(before, after) == pytest.approx(expected, abs=1e-12)
    assert psi(after, before) == pytest.approx(expected, abs=1e-12)
    assert psi(before, after) >= 0.0


def test_psi_of_equal_shares_is_nothing() -> None:
    """The same counts give exactly 0."""
    assert psi([10, 20, 30], [10, 20, 30]) == 0.0


def test_psi_without_a_change_has_its_known_mean() -> None:
    """Unchanged data give (bins - 1) (1 / n + 1 / m) on average (Yurdakul & Naranjo 2020)."""
    random, shares = np.random.default_rng(1), np.full(10, 0.1)
    values = [psi(random.multinomial(2000, shares), random.multinomial(300, shares)) for _ in range(1500)]
    assert np.mean(values) == pytest.approx(9 * (1 / 2000 + 1 / 300), rel=0.05)


@pytest.mark.parametrize(("expected", "observed"), [([1, 2], [1]), ([], []), ([-1], [1])])
def test_psi_needs_counts_of_the_same_bins(expected: list[int], observed: list[int]) -> None:
    """Bins that do not match cannot be compared."""
    with pytest.raises(InvalidRequest):
        psi(expected, observed)


def test_a_reference_has_even_bins() -> None:
    """1000 different values in ten bins are 100 in each, whatever their order."""
    values = np.random.default_rng(2).permutation(1000) / 10
    reference = freeze_reference(values, version=4)
    assert reference.counts == (100,) * 10
    assert reference.edges == pytest.approx([9.9, 19.9, 29.9, 39.9, 49.9, 59.9, 69.9, 79.9, 89.9])
    assert reference.version == 4


@given(st.lists(st.integers(0, 150), min_size=5, max_size=5).filter(lambda c: sum(c) >= 200), st.integers(2, 20))
def test_equal_values_share_a_bin(counts: list[int], bins: int) -> None:
    """Repeated scores give fewer bins, none of them empty, that count every value once."""
    values = [v for v, number in zip((0.0, 0.1, 0.25, 0.5, 1.0), counts, strict=True) for _ in range(number)]
    if len(set(values)) == 1:
        with pytest.raises(InvalidRequest, match="nothing can be compared"):
            freeze_reference(values, version=1, bins=bins)
        return
    reference = freeze_reference(values, version=1, bins=bins)
    borders = (-math.inf, *reference.edges, math.inf)
    expected = [sum(low < v <= high for v in values) for low, high in pairwise(borders)]
    assert list(reference.counts) == expected
    assert min(expected) > 0
    assert 2 <= len(expected) <= bins
    assert list(reference.edges) == sorted(set(reference.edges))


def test_a_few_small_values_still_make_a_border() -> None:
    """Where no quantile falls below the top value, one border parts it from the rest."""
    reference = freeze_reference([0.2, 0.3] + [1.0] * 300, version=1)
    assert (reference.edges, reference.counts) == ((0.3,), (2, 300))


def test_a_reference_stays_as_it_was() -> None:
    """Neither its own array nor the one it was made of can change it."""
    values = np.arange(300.0)
    reference = freeze_reference(values, version=1)
    values[:] = 0.0
    assert reference.sample[-1] == 299.0
    with pytest.raises(ValueError, match="read-only"):
        reference.sample[0] = 1.0


def test_a_small_reference_is_refused() -> None:
    """199 values are one too few."""
    with pytest.raises(InvalidRequest, match="199 given"):
        freeze_reference(range(199), version=1)


@given(st.lists(st.floats(-1, 2).map(lambda v: round(v, 2)), min_size=1, max_size=80))
def test_ks_is_the_largest_distance(window: list[float]) -> None:
    """D is what a look at both distribution functions at every value gives."""
    sample = (np.arange(200) % 50) / 50
    found = score_shift(freeze_reference(sample, version=1), window)
    data = np.array(window)
    expected = max(abs((sample <= x).mean() - (data <= x).mean()) for x in (*sample, *window))
    assert found.ks == pytest.approx(expected, abs=1e-12)
    assert found.n == len(window)


def test_the_p_value_is_near_the_exact_one() -> None:
    """The asymptotic p of samples this large is within a tenth of the exact one."""
    random = np.random.default_rng(3)
    sample, window = random.normal(size=600), random.normal(0.2, size=250)
    found = score_shift(freeze_reference(sample, version=1), window)
    assert found.p_value == pytest.approx(ks_2samp(sample, window, method="exact").pvalue, rel=0.1)


def test_a_shift_shows_in_both_measures() -> None:
    """Scores moved by half a standard deviation exceed both gates at n 300; scores that stayed exceed none."""
    random = np.random.default_rng(4)
    reference = freeze_reference(random.normal(size=3000), version=1)
    moved, same = (score_shift(reference, random.normal(shift, size=300)) for shift in (0.5, 0.0))
    assert moved.psi > 0.2
    assert moved.ks > 0.1
    assert moved.p_value < 1e-6
    assert same.psi < 0.1
    assert same.ks < 0.1


@given(st.floats(0.1, 50), st.floats(-100, 100))
def test_units_of_the_score_do_not_matter(scale: float, offset: float) -> None:
    """Scaling reference and window alike changes no measure."""
    sample, window = np.arange(400.0), np.arange(37, 300, 2.0)
    plain = score_shift(freeze_reference(sample, version=1), window)
    scaled = score_shift(freeze_reference(sample * scale + offset, version=1), window * scale + offset)
    assert (scaled.psi, scaled.ks, scaled.p_value) == pytest.approx((plain.psi, plain.ks, plain.p_value))


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_a_window_holds_numbers(values: list[float]) -> None:
    """Neither nothing nor a NaN can be compared."""
    with pytest.raises(InvalidRequest) as refused:
        score_shift(freeze_reference(range(200), version=1), values)
    assert refused.value.param == "values"


def test_classes_by_chi_square() -> None:
    """With enough of each class the p is Pearson's, and PSI is over the classes."""
    reference, window = {"scratch": 500, "stain": 300, "bridge": 200}, {"scratch": 90, "stain": 80, "bridge": 30}
    found = class_shift(reference, window)
    table = [[500, 300, 200], [90, 80, 30]]
    assert found.p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    assert found.psi == pytest.approx(psi(*table))
    assert (found.n, found.reason) == (200, None)


def test_rare_classes_are_joined() -> None:
    """Classes expected fewer than five times are tested as one, so that a single defect cannot decide."""
    reference = {"a": 900, "b": 90, "c": 6, "d": 4}
    window = {"a": 180, "b": 17, "c": 0, "d": 3}
    joined = chi2_contingency([[900, 90 + 6 + 4], [180, 17 + 3]], correction=False).pvalue
    # Of c and d together 2.2 are expected in the window: too few as well, so that b joins them.
    assert class_shift(reference, window).p_value == pytest.approx(joined)


@pytest.mark.parametrize(("rare", "joined"), [(10, False), (9, True)])
def test_five_expected_are_enough(rare: int, joined: bool) -> None:
    """With half of all results in the window, ten of a class are five expected in each row, and nine are too few."""
    reference, window = {"a": 100, "b": 60, "c": rare}, {"a": 100 + rare, "b": 60, "c": 0}
    apart = chi2_contingency([[100, 60, rare], [100 + rare, 60, 0]], correction=False).pvalue
    together = chi2_contingency([[100, 60 + rare], [100 + rare, 60]], correction=False).pvalue
    assert class_shift(reference, window).p_value == pytest.approx(together if joined else apart)


def test_a_new_class_counts() -> None:
    """A class that the reference never had is a shift."""
    found = class_shift({"a": 1000}, {"a": 150, "burn": 50})
    assert found.p_value is not None
    assert found.p_value < 1e-12
    assert found.psi > 0.2


@given(st.permutations("abcd"))
def test_names_of_classes_do_not_matter(names: list[str]) -> None:
    """Renaming the classes changes nothing."""
    plain = class_shift(
        dict(zip("abcd", (400, 300, 80, 3), strict=True)), dict(zip("abcd", (90, 80, 30, 4), strict=True))
    )
    named = class_shift(
        dict(zip(names, (400, 300, 80, 3), strict=True)), dict(zip(names, (90, 80, 30, 4), strict=True))
    )
    assert named.p_value == pytest.approx(plain.p_value)
    assert named.psi == pytest.approx(plain.psi)


def test_one_class_cannot_be_tested() -> None:
    """Where all results are of one class there is no p-value, and the reason is told."""
    found = class_shift({"a": 400}, {"a": 200, "b": 1})
    assert (found.p_value, found.reason) == (None, "fewer than two classes are expected five times")


@pytest.mark.parametrize(
    ("reference", "window", "param"), [({}, {"a": 5}, "reference"), ({"a": 5}, {"a": 0}, "window")]
)
def test_an_empty_mix_is_refused(reference: dict[str, int], window: dict[str, int], param: str) -> None:
    """No result has no mix."""
    with pytest.raises(InvalidRequest) as refused:
        class_shift(reference, window)
    assert refused.value.param == param


# Benjamini & Hochberg (1995), section 4.1: 15 comparisons of a myocardial infarction study.
PUBLISHED = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
]


def test_the_example_of_benjamini_and_hochberg() -> None:
    """At 5 % the first four of the paper's fifteen hypotheses are rejected, in whatever order they stand."""
    order = np.random.default_rng(5).permutation(15)
    adjusted = benjamini_hochberg(np.array(PUBLISHED)[order])
    assert {PUBLISHED[i] for i in order[adjusted <= 0.05]} == set(PUBLISHED[:4])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjusted_values_by_their_definition(p_values: list[float]) -> None:
    """Each is the least m p / rank over all p at or above it, and at least p itself."""
    ranked = sorted(p_values)
    expected = [min(1.0, *(len(ranked) * q / (rank + 1) for rank, q in enumerate(ranked) if q >= p)) for p in p_values]
    assert benjamini_hochberg(p_values).tolist() == pytest.approx(expected)


def test_p_values_lie_between_0_and_1() -> None:
    """Anything else is no probability."""
    with pytest.raises(InvalidRequest):
        benjamini_hochberg([0.5, 1.5])
