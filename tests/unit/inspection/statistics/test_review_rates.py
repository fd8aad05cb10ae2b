from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.proportions import proportion
from argosy.inspection.statistics.review_rates import ReviewedRate, Stratum, escape, overkill, strata_of


def limits(rate: ReviewedRate) -> tuple[float, float]:
    assert rate.interval is not None
    return rate.interval.low, rate.interval.high


def test_a_lot_worked_by_hand() -> None:
    """1000 passes of which 100 were drawn with 2 bad, 50 fails all reviewed with 40 bad: 20 / 60 and 10 / 990."""
    strata = [Stratum("PASS", 1000, 100, 2), Stratum("FAIL", 50, 50, 40)]
    missed, killed = escape(strata), overkill(strata)
    assert missed.estimate == pytest.approx(20 / 60)
    assert killed.estimate == pytest.approx(10 / 990)
    assert (missed.reviewed, killed.reviewed) == (42, 108)
    # Weights 10 and 1: (2 * 10 + 40)^2 / (2 * 100 + 40) and (98 * 10 + 10)^2 / (98 * 100 + 10).
    assert missed.effective == pytest.approx(60**2 / 240)
    assert killed.effective == pytest.approx(990**2 / 9810)


def test_dies_sent_to_review_are_neither_wrong_call() -> None:
    """REVIEW counts among the good and the bad, and is no overkill and no escape."""
    strata = [Stratum("PASS", 80, 80, 2), Stratum("REVIEW", 10, 10, 4), Stratum("FAIL", 10, 10, 9)]
    assert escape(strata).estimate == pytest.approx(2 / 15)
    assert overkill(strata).estimate == pytest.approx(1 / 85)


def test_no_escape_found_is_not_no_escape() -> None:
    """None bad of 40 drawn from 2000 passes still allows as many bad dies as 40 draws can hide."""
    strata = [Stratum("PASS", 2000, 40, 0), Stratum("FAIL", 100, 100, 100)]
    found = escape(strata)
    hidden = 2000 * proportion(0, 40).interval.high
    assert found.estimate == 0.0
    assert limits(found)[0] == 0.0
    assert limits(found)[1] == pytest.approx(hidden / (hidden + 100), abs=0.03)
    # What the short cut with Kish's size would claim.
    assert found.effective == pytest.approx(100)
    assert limits(found)[1] > 10 * proportion(0, 100).interval.high


@given(st.integers(0, 400), st.integers(1, 400))
def test_a_full_review_is_a_plain_proportion(missed: int, caught: int) -> None:
    """Without sampling the interval is near Wilson's, wide open where only a few dies were seen."""
    assume(missed + caught >= 20)
    strata = [Stratum("PASS", 5000, 5000, missed), Stratum("FAIL", caught, caught, caught)]
    found, plain = escape(strata), proportion(missed, missed + caught)
    assert found.estimate == pytest.approx(plain.estimate)
    assert limits(found) == pytest.approx((plain.interval.low, plain.interval.high), abs=0.04)


def by_root_finding(strata: list[Stratum], wrong: str, bad: bool) -> tuple[float, float]:
    """The interval of the module's description, with every limit searched for instead of solved for."""
    z = 1.959963984540054
    sums = {True: np.zeros(3), False: np.zeros(3)}
    for stratum in strata:
        members = stratum.bad if bad else stratum.reviewed - stratum.bad
        share, shares = members / stratum.reviewed, binomtest(members, stratum.reviewed).proportion_ci(method="wilson")
        seen = stratum.dies if stratum.counted else stratum.reviewed

        def score(mean: float, seen: float = seen) -> float:
            return (seen - mean) ** 2 - z * z * mean

        scale = stratum.dies / seen
        least, most = scale * brentq(score, 1e-12, seen), scale * brentq(score, seen, 4 * seen + 20)
        down = math.hypot(stratum.dies * (share - shares.low), share * (stratum.dies - least))
        up = math.hypot(stratum.dies * (shares.high - share), share * (most - stratum.dies))
        total = stratum.dies * share
        sums[stratum.verdict == wrong] += (total, min(down, total) ** 2, up**2)
    (a, a_down, a_up), (b, b_down, b_up) = sums[True], sums[False]
    low = brentq(lambda r: (1 - r) * a - r * b - math.sqrt((1 - r) ** 2 * a_down + r * r * b_up), 0, a / (a + b))
    high = brentq(lambda r: r * b - (1 - r) * a - math.sqrt((1 - r) ** 2 * a_up + r * r * b_down), a / (a + b), 1)
    return low, high


@pytest.mark.parametrize(
    "strata",
    [
        [Stratum("PASS", 1000, 100, 2), Stratum("FAIL", 50, 50, 40)],
        [Stratum("PASS", 1000, 100, 0), Stratum("FAIL", 50, 20, 17)],
        [Stratum("PASS", 40, 12, 5), Stratum("REVIEW", 9, 9, 4), Stratum("FAIL", 30, 30, 30)],
        [Stratum("PASS", 300.0, 3, 1, counted=False), Stratum("PASS", 80, 80, 9), Stratum("FAIL", 60, 60, 51)],
        [Stratum("PASS", 900.0, 90, 80, counted=False), Stratum("FAIL", 70.0, 35, 30, counted=False)],
    ],
)
def test_the_interval_is_the_one_described(strata: list[Stratum]) -> None:
    """A search for each limit, from its definition, ends at the limits that are computed."""
    assert limits(escape(strata)) == pytest.approx(by_root_finding(strata, "PASS", bad=True), abs=1e-9)
    assert limits(overkill(strata)) == pytest.approx(by_root_finding(strata, "FAIL", bad=False), abs=1e-9)


def strata_with(*verdicts: str) -> st.SearchStrategy[list[Stratum]]:
    return st.tuples(
        *(
            st.builds(
                lambda reviewed, share, unseen, verdict=verdict: Stratum(
                    verdict, reviewed + unseen, reviewed, round(reviewed * share)
                ),
                st.integers(1, 500),
                st.floats(0, 1),
                st.integers(0, 20000),
            )
            for verdict in verdicts
        )
    ).map(list)


STRATA = st.sampled_from([("PASS", "FAIL"), ("PASS", "REVIEW", "FAIL"), ("FAIL", "PASS", "PASS", "REVIEW")]).flatmap(
    lambda verdicts: strata_with(*verdicts)
)


@given(STRATA)
def test_the_interval_holds_the_estimate(strata: list[Stratum]) -> None:
    """Whatever was reviewed: 0 <= low <= estimate <= high <= 1, in any order of strata."""
    for rate in (escape(strata), overkill(strata)):
        if rate.estimate is None:
            assert rate.reason
            continue
        assert 0.0 <= limits(rate)[0] <= rate.estimate <= limits(rate)[1] <= 1.0
        assert 0.0 < rate.effective <= rate.reviewed * (1 + 1e-9)
    turned = escape(strata[::-1])
    assert (turned.estimate is None) == (escape(strata).estimate is None)
    if turned.estimate is not None:
        assert turned.estimate == pytest.approx(escape(strata).estimate)
        assert limits(turned) == pytest.approx(limits(escape(strata)))


@given(STRATA)
def test_escape_and_overkill_mirror_each_other(strata: list[Stratum]) -> None:
    """Exchanging good and bad, PASS and FAIL, exchanges the rates."""
    swap = {"PASS": "FAIL", "FAIL": "PASS", "REVIEW": "REVIEW"}
    mirrored = [Stratum(swap[s.verdict], s.dies, s.reviewed, s.reviewed - s.bad) for s in strata]
    one, other = escape(strata), overkill(mirrored)
    assert one.estimate == pytest.approx(other.estimate)
    if one.estimate is not None:
        assert limits(one) == pytest.approx(limits(other))


@pytest.mark.parametrize("counted", [True, False])
def test_the_intervals_cover_the_truth(counted: bool) -> None:
    """In 600 simulated lots the 95 % intervals hold the true rates in 92 to 99 %, counted totals or estimated ones."""
    random, lots = np.random.default_rng(7), 600
    bad_rate, true_escape, true_overkill, to_review, drawn = 0.06, 0.25, 0.03, 0.05, 0.15
    held = {"escape": 0, "overkill": 0}
    for _ in range(lots):
        bad = random.random(8000) < bad_rate
        chance = random.random(8000)
        wrong = chance < np.where(bad, true_escape, true_overkill)
        review = chance > 1.0 - to_review
        fail = (bad ^ wrong) & ~review
        seen = fail | review | (random.random(8000) < drawn)
        verdict = np.select([review, fail], ["REVIEW", "FAIL"], "PASS")
        if counted:
            strata = [
                Stratum(
                    v,
                    int((verdict == v).sum()),
                    int((seen & (verdict == v)).sum()),
                    int((bad & seen & (verdict == v)).sum()),
                )
                for v in ("PASS", "REVIEW", "FAIL")
            ]
        else:
            rates = np.where(verdict == "PASS", drawn, 1.0)
            strata = list(strata_of(verdict[seen].tolist(), bad[seen], rates[seen]))
        low, high = limits(escape(strata))
        held["escape"] += low <= true_escape <= high
        low, high = limits(overkill(strata))
        held["overkill"] += low <= true_overkill <= high
    assert all(0.92 <= number / lots <= 0.99 for number in held.values()), held


def test_reviews_make_strata() -> None:
    """Each pair of verdict and rate is one stratum that stands for reviewed / rate dies."""
    strata = strata_of(["PASS", "FAIL", "PASS", "PASS"], [0, 1, 1, 0], [0.02, 1.0, 0.02, 0.5])
    assert strata == (
        Stratum("FAIL", 1.0, 1, 1, counted=True),
        Stratum("PASS", 100.0, 2, 1, counted=False),
        Stratum("PASS", 2.0, 1, 0, counted=False),
    )


def test_rejects_alone_do_not_measure_escape() -> None:
    """Passed dies of which none was reviewed leave both rates unknown, with the reason."""
    strata = [Stratum("PASS", 900, 0, 0), Stratum("FAIL", 100, 100, 80)]
    for rate in (escape(strata), overkill(strata)):
        assert (rate.estimate, rate.interval) == (None, None)
        assert rate.reason == "no review of some dies called PASS"


def test_reviews_of_rejects_alone_measure_nothing() -> None:
    """Where no passed die was drawn at all, escape is not 0: the passes are not even in the strata."""
    rate = escape(strata_of(["FAIL", "FAIL", "REVIEW"], [1, 0, 1], [1.0, 1.0, 1.0]))
    assert (rate.estimate, rate.interval, rate.reviewed) == (None, None, 2)
    assert rate.reason == "nothing is known of dies called PASS"
    assert overkill([Stratum("PASS", 9, 9, 1)]).reason == "nothing is known of dies called FAIL"


def test_a_verdict_that_was_never_given_is_told_as_no_dies() -> None:
    """A judge that passed nothing let nothing escape."""
    strata = [Stratum("PASS", 0, 0, 0), Stratum("FAIL", 100, 100, 80)]
    assert (escape(strata).estimate, overkill(strata).estimate) == (0.0, 1.0)
    assert limits(escape(strata))[1] < 0.05


def test_no_bad_die_leaves_escape_unknown() -> None:
    """A share of nothing is not 0."""
    rate = escape([Stratum("PASS", 900, 90, 0), Stratum("FAIL", 0, 0, 0)])
    assert rate.estimate is None
    assert rate.reason == "no bad die among 90 reviewed"


@pytest.mark.parametrize("values", [("MAYBE", 1, 1, 0), ("PASS", 1, 2, 0), ("PASS", 5, 2, 3), ("PASS", 5, 2, -1)])
def test_contradictions_are_refused(values: tuple[str, int, int, int]) -> None:
    """More reviewed than dies, more bad than reviewed or an unknown verdict cannot be."""
    with pytest.raises(InvalidRequest):
        Stratum(*values)


@pytest.mark.parametrize("rate", [0.0, 1.1, -0.5])
def test_a_rate_is_a_probability_above_zero(rate: float) -> None:
    """A die that could not be drawn cannot have been."""
    with pytest.raises(InvalidRequest) as refused:
        strata_of(["PASS"], [0], [rate])
    assert refused.value.param == "rates"
