"""Which profile is rejected, and which of the others is served."""

from __future__ import annotations

import math

import pytest

from argosy.conversion.proof.thresholds import THRESHOLDS, Bound, shortfalls
from argosy.conversion.proof.verdict import Outcome, Verdict, choose, judge, proof_mapping
from argosy.conversion.sources.kinds import Kind

GOOD = {"cosine_mean": 0.999, "cosine_min": 0.99}


def passed(name: str, speed: float) -> Verdict:
    return Verdict(name, Outcome.PASSED, speed=speed)


def test_every_kind_has_bounds() -> None:
    """A kind without would pass whatever it says."""
    assert all(THRESHOLDS[kind] for kind in Kind)


def test_c4_a_figure_below_its_bound_rejects_and_says_by_how_much() -> None:
    """The sentence has the figure and the bound."""
    verdict = judge("int8", Kind.ENCODER, {"figures": {**GOOD, "cosine_min": 0.5}, "speed": 9.0, "unit": "texts/s"}, 1)
    assert verdict.outcome is Outcome.REJECTED
    assert verdict.reasons == ("cosine_min is 0.5, and must be >= 0.98",)


def test_c4_answers_that_are_not_finite_reject() -> None:
    """There is nothing to compare."""
    verdict = judge("bf16", Kind.ENCODER, {"not_finite": "the answers hold NaN"}, 1)
    assert (verdict.outcome, verdict.reasons) == (Outcome.REJECTED, ("the answers hold NaN",))


def test_a_missing_figure_and_one_that_is_no_number_do_not_pass() -> None:
    """Neither bound holds for them."""
    assert len(shortfalls(Kind.ENCODER, {"cosine_mean": math.nan})) == 2
    assert not Bound("x", most=1.0).holds(math.nan)


def test_a_rejected_profile_is_never_chosen_however_fast() -> None:
    """Speed is compared among those that passed."""
    fast = Verdict("int8", Outcome.REJECTED, speed=1000.0)
    broken = Verdict("int4", Outcome.FAILED, speed=2000.0)
    assert choose([passed("fp32", 1.0), passed("bf16", 2.0), fast, broken]) == passed("bf16", 2.0)
    assert choose([fast, broken]) is None


def test_of_two_that_are_as_fast_the_more_accurate_is_chosen() -> None:
    """Two percent are within what a measurement wavers."""
    assert choose([passed("bf16", 100.0), passed("int8", 102.0)]) == passed("bf16", 100.0)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_proof_names_every_bound(kind: Kind) -> None:
    """So that a reader of argosy.yaml knows what the figures were held to."""
    said = proof_mapping(passed("fp32", 1.0), kind, "transformers", 8, "2026-01-01")
    assert set(said["thresholds"]) == {bound.figure for bound in THRESHOLDS[kind]}
