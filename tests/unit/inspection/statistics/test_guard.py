from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.drift import class_shift, freeze_reference, score_shift
from argosy.inspection.statistics.guard import CheckState, Event, Evidence, Gate, GuardPolicy, Outcome, Status, step

POLICY = GuardPolicy()
HIT = Evidence("score", 500, {"psi": 0.4, "ks": 0.2}, 1e-6)
CLEAR = Evidence("score", 500, {"psi": 0.02, "ks": 0.03}, 0.6)
SMALL = Evidence("score", 43, {"psi": 0.9, "ks": 0.6}, 1e-9)
BETWEEN = Evidence("score", 500, {"psi": 0.15, "ks": 0.08}, 0.02)


def play(*windows: Evidence, policy: GuardPolicy = POLICY) -> list[Outcome]:
    """The outcomes of one check over windows."""
    states: dict[str, CheckState] = {}
    outcomes = []
    for window in windows:
        states, (outcome,) = step(states, [window], policy)
        outcomes.append(outcome)
    return outcomes


def test_one_hit_is_only_suspect() -> None:
    """A single window opens nothing."""
    assert [(o.status, o.event) for o in play(HIT, CLEAR, CLEAR)] == [
        (Status.SUSPECT, None),
        (Status.HEALTHY, None),
        (Status.HEALTHY, None),
    ]


@pytest.mark.parametrize(("windows", "opens_at"), [((HIT, HIT), 1), ((HIT, CLEAR, HIT), 2)])
def test_two_hits_in_three_windows_open(windows: tuple[Evidence, ...], opens_at: int) -> None:
    """The second hit opens, next to the first or one window later."""
    outcomes = play(*windows)
    assert [o.event for o in outcomes].index(Event.OPENED) == opens_at
    assert outcomes[-1].status is Status.OPEN


def test_hits_far_apart_do_not_add_up() -> None:
    """Two hits in four windows are not two in three."""
    assert all(o.event is None for o in play(HIT, CLEAR, CLEAR, HIT))


@pytest.mark.parametrize(
    "window",
    [
        Evidence("score", 100_000, {"psi": 0.01, "ks": 0.02}, 1e-9),
        Evidence("score", 500, {"psi": 0.4, "ks": 0.2}, 0.02),
        Evidence("score", 500, {"psi": 0.2, "ks": 0.1}, 1e-9),
        Evidence("score", 500, {"psi": 0.4}, 0.01),
    ],
)
def test_size_and_significance_are_both_needed(window: Evidence) -> None:
    """A tiny move that is certain and a large one that may be chance both stay quiet, as does one just at its gate."""
    assert [o.status for o in play(window, window, window)] == [Status.HEALTHY] * 3


@pytest.mark.parametrize("effects", [{"psi": 0.21, "ks": 0.0}, {"psi": 0.0, "ks": 0.11}, {"ks": 0.11}])
def test_one_large_effect_is_enough(effects: dict[str, float]) -> None:
    """PSI or KS, not both."""
    assert play(Evidence("score", 200, effects, 1e-4))[0].status is Status.SUSPECT


def test_few_results_say_so() -> None:
    """A window below the least number is not evaluated, with the numbers as the reason, and never healthy."""
    (outcome,) = play(SMALL)
    assert outcome == Outcome("score", Status.NOT_EVALUATED, None, "n=43 < 200", 43, None)


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        (Evidence("score", 0), "n=0 < 200"),
        (Evidence("score", 500, {"psi": 0.4}), "no p-value"),
        (Evidence("score", 500, {"psi": 0.4}, math.nan), "no p-value"),
        (Evidence("score", 500, {}, 0.5), "no effect size"),
        (Evidence("score", 500, {"psi": math.nan}, 0.5), "no effect size"),
        (Evidence("score", 500, {"psi": 0.4}, 1e-9, reason="no reference: learning"), "no reference: learning"),
    ],
)
def test_what_cannot_be_evaluated_says_why(window: Evidence, reason: str) -> None:
    """Missing data, measures and references are told apart."""
    (outcome,) = play(window)
    assert (outcome.status, outcome.reason, outcome.adjusted_p) == (Status.NOT_EVALUATED, reason, None)


def test_an_unevaluated_window_takes_its_place() -> None:
    """It is no hit and no rest: hits around one add up, hits around two do not."""
    assert play(HIT, SMALL, HIT)[-1].event is Event.OPENED
    assert play(HIT, SMALL, SMALL, HIT)[-1].event is None


def test_three_clear_windows_close() -> None:
    """Not before, and not when one in between is not clear."""
    assert [o.event for o in play(HIT, HIT, CLEAR, CLEAR, CLEAR)][2:] == [None, None, Event.CLOSED]
    assert Event.CLOSED not in [o.event for o in play(HIT, HIT, CLEAR, CLEAR, BETWEEN, CLEAR, CLEAR)]


def test_between_the_gates_nothing_changes() -> None:
    """Effects under the opening gate but over the closing one neither open nor close."""
    assert all(o.status is Status.HEALTHY for o in play(*[BETWEEN] * 6))
    assert all(o.status is Status.OPEN for o in play(HIT, HIT, *[BETWEEN] * 6)[1:])


def test_a_large_effect_that_chance_explains_is_clear() -> None:
    """In small windows effects are noisy: a p-value from .05 on closes, whatever the effect."""
    noisy = Evidence("score", 200, {"psi": 0.25, "ks": 0.11}, 0.05)
    assert play(HIT, HIT, noisy, noisy, noisy)[-1].event is Event.CLOSED


def test_silence_does_not_close() -> None:
    """An open finding stays open through windows that cannot be evaluated, which tell why."""
    outcomes = play(HIT, HIT, *[SMALL] * 10)
    assert all((o.status, o.reason) == (Status.OPEN, "n=43 < 200") for o in outcomes[2:])
    assert [o.event for o in play(HIT, HIT, CLEAR, CLEAR, SMALL, CLEAR)][-2:] == [None, Event.CLOSED]


def test_a_closed_finding_needs_new_hits() -> None:
    """After closing, one hit is suspect again and two open anew."""
    outcomes = play(HIT, HIT, CLEAR, CLEAR, CLEAR, HIT, HIT)
    assert [o.status for o in outcomes[-3:]] == [Status.HEALTHY, Status.SUSPECT, Status.OPEN]


def test_a_check_that_falls_silent_is_told() -> None:
    """A known check without evidence is listed after the others, not evaluated."""
    states, _ = step({}, [HIT, Evidence("class_mix", 500, {"psi": 0.0}, 0.9)], POLICY)
    states, outcomes = step(states, [Evidence("class_mix", 500, {"psi": 0.0}, 0.9)], POLICY)
    assert [(o.check, o.status) for o in outcomes] == [
        ("class_mix", Status.HEALTHY),
        ("score", Status.NOT_EVALUATED),
    ]
    assert (outcomes[1].reason, outcomes[1].n) == ("no evidence for this window", 0)
    assert states["score"].recent == (True, None)


def test_many_checks_share_the_error() -> None:
    """A p of .005 hits alone, and not as the best of twenty."""
    one = Evidence("score", 500, {"psi": 0.4}, 0.005)
    others = [Evidence(f"other{i}", 500, {"psi": 0.0}, 0.5) for i in range(19)]
    _, (alone,) = step({}, [one], POLICY)
    _, (among, *_) = step({}, [one, *others], POLICY)
    assert (alone.status, alone.adjusted_p) == (Status.SUSPECT, 0.005)
    assert (among.status, among.adjusted_p) == (Status.HEALTHY, pytest.approx(0.1))


def test_checks_not_evaluated_do_not_share_the_error() -> None:
    """Only what was tested counts as a test."""
    others = [Evidence(f"other{i}", 10) for i in range(19)]
    _, (found, *_) = step({}, [Evidence("score", 500, {"psi": 0.4}, 0.005), *others], POLICY)
    assert found.adjusted_p == 0.005


WINDOWS = st.lists(
    st.builds(
        Evidence,
        st.just("score"),
        st.sampled_from([0, 199, 200, 5000]),
        st.fixed_dictionaries({"psi": st.floats(0, 0.5), "ks": st.floats(0, 0.3)}),
        st.one_of(st.none(), st.floats(0, 0.02), st.floats(0, 1)),
    ),
    max_size=25,
)


@given(WINDOWS)
def test_events_alternate_and_follow_from_the_windows(windows: list[Evidence]) -> None:
    """Findings open and close by turns, an opening has two hits in three windows, and unknown is never healthy."""
    outcomes = play(*windows)
    events = [o.event for o in outcomes if o.event]
    assert events == [Event.OPENED if i % 2 == 0 else Event.CLOSED for i in range(len(events))]
    is_open = False
    for end, outcome in enumerate(outcomes):
        hits = [
            w.n >= 200
            and w.p_value is not None
            and w.p_value < 0.01
            and (w.effects["psi"] > 0.2 or w.effects["ks"] > 0.1)
            for w in windows[max(0, end - 2) : end + 1]
        ]
        if outcome.event is Event.OPENED:
            assert sum(hits) >= 2
            assert hits[-1]
        is_open = outcome.event is Event.OPENED or (is_open and outcome.event is not Event.CLOSED)
        assert (outcome.status is Status.OPEN) == is_open
        known = windows[end].n >= 200 and windows[end].p_value is not None
        assert (outcome.reason is None) == known
        assert known or outcome.status in {Status.OPEN, Status.NOT_EVALUATED}


@given(WINDOWS)
def test_checks_do_not_touch_one_another(windows: list[Evidence]) -> None:
    """A check's states are the same beside one that cannot be evaluated."""
    alone: dict[str, CheckState] = {}
    beside: dict[str, CheckState] = {}
    for window in windows:
        before = dict(alone)
        after, _ = step(alone, [window], POLICY)
        assert alone == before
        alone = after
        beside, _ = step(beside, [Evidence("other", 1), window], POLICY)
    assert alone.get("score") == beside.get("score")


SCORES = (2.0, 8.0)
MIX = {"scratch": 0.4, "stain": 0.3, "particle": 0.2, "bridge": 0.1}


def evidence(
    random: np.random.Generator, size: int, *, shift: float = 0.0, mix: dict[str, float] | None = None
) -> list[Evidence]:
    """One window of simulated production: scores and classes, against references made of clean data."""
    scores = score_shift(SCORE_REFERENCE, random.beta(*SCORES, size) + shift)
    shares = mix or MIX
    classes = class_shift(
        CLASS_REFERENCE, dict(zip(shares, random.multinomial(size, list(shares.values())), strict=True))
    )
    return [
        Evidence("score_drift", scores.n, {"psi": scores.psi, "ks": scores.ks}, scores.p_value),
        Evidence("class_mix_drift", classes.n, {"psi": classes.psi}, classes.p_value, classes.reason),
    ]


SCORE_REFERENCE = freeze_reference(np.random.default_rng(20).beta(*SCORES, 2000), version=1)
CLASS_REFERENCE = {name: round(2000 * share) for name, share in MIX.items()}


def test_a_thousand_clean_windows_stay_quiet() -> None:
    """Of 1,000 clean windows with two checks each, at most 1 % open a finding, and at most 1 % even hit."""
    random = np.random.default_rng(21)
    states: dict[str, CheckState] = {}
    opened = suspect = 0
    for _ in range(1000):
        states, outcomes = step(states, evidence(random, int(random.integers(200, 600))), POLICY)
        assert all(o.reason is None for o in outcomes)
        opened += any(o.event is Event.OPENED for o in outcomes)
        suspect += any(o.status is Status.SUSPECT for o in outcomes)
    assert opened <= 10
    assert suspect <= 10


@pytest.mark.parametrize(
    ("check", "shift", "mix"),
    [
        ("score_drift", 0.06, None),
        ("class_mix_drift", 0.0, {"scratch": 0.2, "stain": 0.2, "particle": 0.2, "bridge": 0.4}),
    ],
)
def test_an_onset_is_found_within_three_windows(check: str, shift: float, mix: dict[str, float] | None) -> None:
    """A shift of half a standard deviation, or a class that quadruples, opens its finding only, in 30 runs of 30."""
    random = np.random.default_rng(22)
    for _ in range(30):
        states: dict[str, CheckState] = {}
        for _ in range(3):
            states, _ = step(states, evidence(random, 300), POLICY)
        opened = []
        for _ in range(3):
            states, outcomes = step(states, evidence(random, 300, shift=shift, mix=mix), POLICY)
            opened += [o.check for o in outcomes if o.event is Event.OPENED]
        assert opened == [check]


def test_recovery_closes_the_finding() -> None:
    """After the shift ends, the finding is closed within ten windows in each of 30 runs."""
    random = np.random.default_rng(23)
    for _ in range(30):
        states: dict[str, CheckState] = {}
        for _ in range(3):
            states, _ = step(states, evidence(random, 300, shift=0.06), POLICY)
        assert states["score_drift"].is_open
        for _ in range(10):
            states, _ = step(states, evidence(random, 300), POLICY)
        assert not states["score_drift"].is_open


@pytest.mark.parametrize(
    "given_evidence",
    [[HIT, CLEAR], [Evidence("score", 500, {"wasserstein": 1.0}, 0.5)], [Evidence("score", 500, {"psi": 0.1}, 1.5)]],
)
def test_evidence_makes_sense(given_evidence: list[Evidence]) -> None:
    """A check given twice, an effect without a gate and a p above 1 are mistakes of the caller."""
    with pytest.raises(InvalidRequest):
        step({}, given_evidence, POLICY)


@pytest.mark.parametrize(
    "values",
    [
        {"least": 0},
        {"alpha": 0.0},
        {"alpha": 0.1},
        {"hits": 4},
        {"gates": ()},
        {"gates": (Gate("psi", 0.2, 0.1), Gate("psi", 0.3, 0.1))},
        {"clear_windows": 0},
    ],
)
def test_a_policy_makes_sense(values: dict[str, object]) -> None:
    """Values that contradict one another are refused when the policy is made."""
    with pytest.raises(InvalidRequest):
        GuardPolicy(**values)


def test_the_quickest_policy() -> None:
    """Each number may be 1: then one result is enough, one hit opens and one clear window closes."""
    policy = GuardPolicy(least=1, hits=1, windows=1, clear_windows=1)
    hit, clear = Evidence("score", 1, {"psi": 0.4}, 1e-6), Evidence("score", 1, {"psi": 0.0}, 0.9)
    assert [o.event for o in play(hit, clear, policy=policy)] == [Event.OPENED, Event.CLOSED]


def test_a_gate_closes_no_higher_than_it_opens() -> None:
    """Otherwise a finding could open and close in one breath."""
    with pytest.raises(InvalidRequest):
        Gate("psi", 0.1, 0.2)
