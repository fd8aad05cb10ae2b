from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from argosy.core.errors import InvalidRequest
from argosy.inspection.judging.calibration import (
    Curve,
    Gate,
    Labelled,
    OperatingPoint,
    Rate,
    at,
    check_gate,
    choose,
    curve,
)

GOOD = [0.1, 0.2, 0.3, 0.4, 0.6]
BAD = [0.3, 0.5, 0.7, 0.9]
"""One bad result scores as one good one, and one lower than a good one."""


def labelled(good: list[float], bad: list[float]) -> list[Labelled]:
    return [*(Labelled(score, bad=False) for score in good), *(Labelled(score, bad=True) for score in bad)]


@pytest.fixture
def found() -> Curve:
    return curve(labelled(GOOD, BAD))


_results = st.lists(
    st.builds(
        Labelled,
        score=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1),
        bad=st.booleans(),
        weight=st.sampled_from([1.0, 1.0, 3.0, 100.0]),
    ),
    min_size=2,
    max_size=30,
).filter(lambda results: len({result.bad for result in results}) == 2)


def test_the_curve_has_every_threshold_that_matters(found: Curve) -> None:
    """Each score that was seen, and one above all: from all called bad to none."""
    rows = [(point.threshold, point.recall.value, point.overkill.value) for point in found.points]
    assert rows == [
        (0.1, 1.0, 1.0),
        (0.2, 1.0, 0.8),
        (0.3, 1.0, 0.6),
        (0.4, 0.75, 0.4),
        (0.5, 0.75, 0.2),
        (0.6, 0.5, 0.2),
        (0.7, 0.5, 0.0),
        (0.9, 0.25, 0.0),
        (math.nextafter(0.9, 1), 0.0, 0.0),
    ]
    assert (found.bad, found.good, found.confidence) == (4, 5, 0.95)


@given(_results)
@settings(deadline=None)
def test_the_curve_agrees_with_counting(results: list[Labelled]) -> None:
    """At each threshold, with weights, as by the definition."""
    found = curve(results)
    assert [point.threshold for point in found.points[:-1]] == sorted({result.score for result in results})
    for point in found.points:
        for rate, bad in ((point.recall, True), (point.overkill, False)):
            total = sum(result.weight for result in results if result.bad is bad)
            called = sum(result.weight for result in results if result.bad is bad and result.score >= point.threshold)
            assert rate.value == pytest.approx(called / total, abs=1e-12)
            assert rate.low <= rate.value <= rate.high
    assert (found.points[0].recall.value, found.points[0].overkill.value) == (1.0, 1.0)
    assert (found.points[-1].recall.value, found.points[-1].overkill.value) == (0.0, 0.0)


@given(_results)
@settings(deadline=None)
def test_recall_and_overkill_fall_along_the_curve(results: list[Labelled]) -> None:
    """So that a search from one end finds the best."""
    for lower, higher in itertools.pairwise(curve(results).points):
        assert lower.recall.value >= higher.recall.value
        assert lower.overkill.value >= higher.overkill.value


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_the_intervals_are_wilsons(confidence: float) -> None:
    """SciPy computes the same ones from the counts."""
    found = curve(labelled(GOOD * 8, BAD * 5), confidence=confidence)
    for point in found.points:
        for rate, size in ((point.recall, 20), (point.overkill, 40)):
            test = binomtest(round(rate.value * size), size)
            expected = test.proportion_ci(confidence_level=confidence, method="wilson")
            assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
            assert rate.size == size


def test_a_confidence_that_is_none_is_refused() -> None:
    """95 is meant as 0.95."""
    with pytest.raises(InvalidRequest) as refused:
        curve(labelled(GOOD, BAD), confidence=95)
    assert refused.value.param == "confidence"


def test_escape_is_what_recall_leaves(found: Curve) -> None:
    """With the interval turned around."""
    point = found.points[3]
    assert point.escape == Rate(0.25, 1 - point.recall.high, 1 - point.recall.low, 4.0)
    assert point.to_mapping()["escape"]["value"] == 0.25
    assert set(point.to_mapping()) == {"threshold", "recall", "escape", "overkill"}


def test_weights_stand_for_results() -> None:
    """One escape among the one in ten passed pictures that were reviewed stands for ten."""
    found = curve(
        [
            *(Labelled(0.9, bad=True) for _ in range(10)),
            Labelled(0.1, bad=True, weight=10.0),
            Labelled(0.1, bad=False, weight=10.0),
        ]
    )
    assert at(found, 0.5).recall.value == 0.5
    # 20 / (0.5 * 1 + 0.5 * 10)
    assert at(found, 0.5).recall.size == pytest.approx(20 / 5.5)


def test_an_escape_that_was_not_drawn_would_have_weighed_as_much_as_a_pass_that_was() -> None:
    """No escape in fifty of five thousand passes leaves room for z^2 * 100, whatever was found in the rejects."""
    rejects = [Labelled(0.9, bad=True) for _ in range(100)]
    passes = [Labelled(0.1, bad=False, weight=100.0) for _ in range(50)]
    z2 = 1.959963984540054**2
    escape = at(curve([*rejects, *passes]), 0.5).escape
    assert escape.value == 0.0
    assert escape.high == pytest.approx(z2 * 100 / (100 + z2 * 100))


def test_rejects_that_were_all_looked_at_are_sure() -> None:
    """Ten good ones of five thousand were rejected, and each of them was seen: the weights of passes hardly matter."""
    results = [
        *(Labelled(0.9, bad=False) for _ in range(10)),
        *(Labelled(0.9, bad=True) for _ in range(10)),
        *(Labelled(0.1, bad=False, weight=100.0) for _ in range(50)),
    ]
    overkill = at(curve(results), 0.5).overkill
    assert overkill.value == pytest.approx(10 / 5010)
    as_if_all_were_seen = binomtest(10, 5010).proportion_ci(method="wilson")
    assert as_if_all_were_seen.high < overkill.high < 1.2 * as_if_all_were_seen.high


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_the_interval_holds_the_truth_as_often_as_it_says(rate: float) -> None:
    """In 400 lots of which all rejects and a share of the passes are reviewed; a fixed seed."""
    random = np.random.default_rng(20)
    true_escape, held = 0.2, 0
    for _ in range(400):
        escaped, caught = random.poisson(300 * true_escape), random.poisson(300 * (1 - true_escape))
        drawn_bad, drawn_good = random.binomial(escaped, rate), random.binomial(3000, rate)
        results = [Labelled(0.9, bad=True)] * caught
        results += [Labelled(0.1, bad=True, weight=1 / rate)] * drawn_bad
        results += [Labelled(0.1, bad=False, weight=1 / rate)] * drawn_good
        escape = at(curve(results), 0.5).escape
        held += escape.low <= true_escape <= escape.high
    assert held >= 0.93 * 400


def test_equal_weights_weigh_nothing() -> None:
    """The effective size is then the number of results."""
    plain = curve(labelled(GOOD, BAD))
    weighted = curve([Labelled(result.score, bad=result.bad, weight=7.0) for result in labelled(GOOD, BAD)])
    for one, other in zip(plain.points, weighted.points, strict=True):
        assert other.recall.value == pytest.approx(one.recall.value)
        assert other.recall.low == pytest.approx(one.recall.low)
        assert other.overkill.high == pytest.approx(one.overkill.high)


@pytest.mark.parametrize(
    ("wanted", "threshold"),
    [
        ({"recall": 1.0}, 0.3),
        ({"recall": 0.76}, 0.3),
        ({"recall": 0.75}, 0.5),
        ({"recall": 0.1}, 0.9),
        ({"overkill": 0.0}, 0.7),
        ({"overkill": 0.2}, 0.5),
        ({"overkill": 0.19}, 0.7),
        ({"overkill": 1.0}, 0.1),
        ({"recall": 0.75, "overkill": 0.2}, 0.5),
        ({"recall": 0.5, "overkill": 0.2}, 0.7),
    ],
)
def test_the_threshold_meets_what_is_asked(found: Curve, wanted: dict[str, float], threshold: float) -> None:
    """The highest with the recall, or the lowest with the overkill."""
    assert choose(found, **wanted).threshold == threshold


@given(_results, st.floats(0, 1), st.booleans())
@settings(deadline=None)
def test_no_threshold_does_better_than_the_one_chosen(results: list[Labelled], wanted: float, assured: bool) -> None:
    """Of those that meet the recall none has less overkill, of those that meet the overkill none more recall."""
    found = curve(results)
    recall: Callable[[OperatingPoint], float] = lambda point: point.recall.low if assured else point.recall.value  # noqa: E731
    overkill: Callable[[OperatingPoint], float] = (  # noqa: E731
        lambda point: point.overkill.high if assured else point.overkill.value
    )
    meeting_recall = [point for point in found.points if recall(point) >= wanted]
    meeting_overkill = [point for point in found.points if overkill(point) <= wanted]
    if meeting_recall:
        chosen = choose(found, recall=wanted, assured=assured)
        assert recall(chosen) >= wanted
        assert chosen.overkill.value == min(point.overkill.value for point in meeting_recall)
    else:
        with pytest.raises(InvalidRequest, match="No threshold has a recall"):
            choose(found, recall=wanted, assured=assured)
    if meeting_overkill:
        chosen = choose(found, overkill=wanted, assured=assured)
        assert overkill(chosen) <= wanted
        assert chosen.recall.value == max(point.recall.value for point in meeting_overkill)
    else:
        with pytest.raises(InvalidRequest, match="No threshold has overkill"):
            choose(found, overkill=wanted, assured=assured)


def test_an_assured_threshold_is_more_careful() -> None:
    """The lower end of the recall's interval has to meet it, so the threshold is lower."""
    many = curve(labelled([0.05 * step for step in range(10)] * 20, [0.3 + 0.05 * step for step in range(10)] * 20))
    assert choose(many, recall=0.75, assured=True).threshold < choose(many, recall=0.75).threshold
    assert choose(many, overkill=0.2, assured=True).threshold > choose(many, overkill=0.2).threshold


@pytest.mark.parametrize(
    ("wanted", "param", "message"),
    [
        (
            {"recall": 1.0, "overkill": 0.5},
            "overkill",
            (
                "No threshold has both a recall of 1 and overkill of 0.5. With that recall the least overkill is "
                "0.6, at the threshold 0.3."
            ),
        ),
        (
            {"recall": 0.6, "assured": True},
            "recall",
            (
                "No threshold has a recall of 0.6 with 95% confidence: the best is 0.5101, with 4 bad results. "
                "Label more of them."
            ),
        ),
        (
            {"overkill": 0.4, "assured": True},
            "overkill",
            (
                "No threshold has overkill of 0.4 with 95% confidence: the best is 0.4345, with 5 good results. "
                "That takes at least 6 good results."
            ),
        ),
        (
            {"overkill": 0.0, "assured": True},
            "overkill",
            (
                "No threshold has overkill of 0 with 95% confidence: the best is 0.4345, with 5 good results. "
                "No number of results can assure so little; allow more."
            ),
        ),
        ({}, "recall", "Say which recall or which overkill the threshold is to meet."),
        ({"recall": 1.1}, "recall", "The recall must be from 0 to 1."),
        ({"overkill": math.nan}, "overkill", "The overkill must be from 0 to 1."),
    ],
)
def test_what_no_threshold_meets_is_refused_with_the_best(
    found: Curve, wanted: dict[str, float], param: str, message: str
) -> None:
    """The message says what can be had, and what would help."""
    with pytest.raises(InvalidRequest) as refused:
        choose(found, **wanted)
    assert (refused.value.message, refused.value.param) == (message, param)


def test_the_number_of_results_that_it_takes_is_right() -> None:
    """With so many good results and no error the bound is met, and with one less it is not."""
    needed = 381  # What the message gives for 1 %.
    with pytest.raises(InvalidRequest, match=f"at least {needed} good results"):
        choose(curve(labelled([0.1] * (needed - 1), BAD)), overkill=0.01, assured=True)
    assert choose(curve(labelled([0.1] * needed, BAD)), overkill=0.01, assured=True).threshold == 0.3


@pytest.mark.parametrize(
    ("threshold", "recall", "overkill"),
    [(0.0, 1.0, 1.0), (0.45, 0.75, 0.2), (0.5, 0.75, 0.2), (0.51, 0.5, 0.2), (0.95, 0.0, 0.0), (2.0, 0.0, 0.0)],
)
def test_a_threshold_between_scores_does_what_the_next_score_does(
    found: Curve, threshold: float, recall: float, overkill: float
) -> None:
    """It keeps its own value."""
    point = at(found, threshold)
    assert (point.threshold, point.recall.value, point.overkill.value) == (threshold, recall, overkill)


def test_a_threshold_that_is_no_number_is_refused(found: Curve) -> None:
    """It would compare as false with everything."""
    with pytest.raises(InvalidRequest, match="must be a number"):
        at(found, math.nan)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ([], [0.5], "None of the 1 results is good; label some of both."),
        ([0.5, 0.6], [], "None of the 2 results is bad; label some of both."),
        ([], [], "None of the 0 results is bad; label some of both."),
    ],
)
def test_results_of_one_kind_have_no_curve(good: list[float], bad: list[float], message: str) -> None:
    """One of the two rates would be of nothing."""
    with pytest.raises(InvalidRequest) as refused:
        curve(labelled(good, bad))
    assert (refused.value.message, refused.value.param) == (message, "results")


@pytest.mark.parametrize(
    ("score", "weight", "param"),
    [
        (math.nan, 1.0, "score"),
        (math.inf, 1.0, "score"),
        (0.5, 0.0, "weight"),
        (0.5, -1.0, "weight"),
        (0.5, math.nan, "weight"),
        (0.5, math.inf, "weight"),
    ],
)
def test_a_result_that_cannot_be_weighed_is_refused(score: float, weight: float, param: str) -> None:
    """The field is named."""
    with pytest.raises(InvalidRequest) as refused:
        Labelled(score, bad=True, weight=weight)
    assert refused.value.param == param


def test_a_gate_holds_when_enough_good_results_prove_it() -> None:
    """Less than 1 % overkill at full recall: 1000 good results without an error, all below the bad ones."""
    outcome = check_gate(labelled([0.1] * 1000, [0.9] * 20), Gate(recall=1.0, overkill=0.01))
    assert outcome.passed
    assert outcome.reasons == ()
    assert outcome.point.threshold == 0.9
    assert (outcome.point.recall.value, outcome.point.overkill.value) == (1.0, 0.0)
    assert 0 < outcome.point.overkill.high < 0.01


def test_a_gate_that_few_results_cannot_prove_does_not_hold() -> None:
    """The estimate is 0, but its upper end is not; the estimate alone is enough only where that was asked for."""
    results = labelled([0.1] * 100, [0.9] * 20)
    outcome = check_gate(results, Gate(recall=1.0, overkill=0.01))
    assert not outcome.passed
    assert outcome.reasons == (
        (
            "Overkill is 0, but with 95% confidence only below 0.03699; 0.01 is allowed. That takes at least 381 good "
            "results."
        ),
    )
    assert check_gate(results, Gate(recall=1.0, overkill=0.01, assured=False)).passed


def test_a_gate_is_judged_at_the_threshold_that_will_run() -> None:
    """A threshold that lets one of four escape fails, though another one would pass."""
    results = labelled([0.1] * 1000, [0.5, 0.8, 0.9, 0.9])
    gate = Gate(recall=1.0, overkill=0.01)
    outcome = check_gate(results, gate, threshold=0.75)
    assert not outcome.passed
    assert outcome.point.threshold == 0.75
    assert outcome.reasons == ("Recall is 0.75 at the threshold 0.75, and must be 1.",)
    assert check_gate(results, gate, threshold=0.4).passed


def test_a_gate_says_when_too_much_is_rejected() -> None:
    """At the recall that was asked for, two of five good ones are."""
    outcome = check_gate(labelled(GOOD, BAD), Gate(recall=0.75, overkill=0.1))
    assert outcome.reasons == ("Overkill is 0.2 at the threshold 0.5, and at most 0.1 is allowed.",)
    both = check_gate(labelled(GOOD, BAD), Gate(recall=1.0, overkill=0.1), threshold=0.55)
    assert len(both.reasons) == 2


@pytest.mark.parametrize(("gate", "param"), [(Gate(1.5, 0.1), "recall"), (Gate(1.0, -0.1), "overkill")])
def test_a_gate_out_of_range_is_refused(gate: Gate, param: str) -> None:
    """The field is named."""
    with pytest.raises(InvalidRequest) as refused:
        check_gate(labelled(GOOD, BAD), gate)
    assert refused.value.param == param


def test_the_confidence_is_named_as_it_was_asked_for() -> None:
    """99.9 % is not rounded to 100 %."""
    with pytest.raises(InvalidRequest, match=r"with 99\.9% confidence"):
        choose(curve(labelled(GOOD, BAD), confidence=0.999), recall=1.0, assured=True)
