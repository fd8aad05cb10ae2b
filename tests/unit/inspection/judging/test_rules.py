from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.inspection.judging.reading import default_rule_set, read_rule_set, rule_set_from
from argosy.inspection.judging.rules import Scores, Standing
from tests.unit.inspection.judging.examples import document, rule_set

FULL: dict[str, Any] = {
    "description": "All that a rule set can hold.",
    "zones": {
        "edge": [{"outside": [0.1, 0.1, 0.9, 0.9]}],
        "pads": [{"rectangle": [0.2, 0.2, 0.3, 0.3]}, {"polygon": [[0.5, 0.5], [0.6, 0.5], [0.5, 0.6]]}],
    },
    "ignore": [
        {"id": "speck", "when": {"area_px": {"below": 4}}},
        {"id": "edge-dust", "when": {"class": ["dust", "stain"], "inside": "edge"}},
    ],
    "rules": [
        {"id": "long", "when": {"class": "scratch", "length_px": {"at_least": 50}}, "severity": "high"},
        {"id": "on-pad", "when": {"touches": ["pads"], "area_um2": {"at_least": 5}}, "severity": "critical"},
    ],
    "limits": [
        {"id": "many", "total": "count", "of": {"class": ["stain", "dust"]}, "review_above": 3, "fail_above": 9},
        {"id": "density", "total": "density_per_cm2", "fail_above": 40},
    ],
}


@pytest.mark.parametrize(
    ("score", "standing"),
    [
        (1.0, Standing.COUNTED),
        (0.85, Standing.COUNTED),
        (0.8499, Standing.POSSIBLE),
        (0.75, Standing.POSSIBLE),
        (0.6501, Standing.POSSIBLE),
        (0.65, Standing.BELOW_THRESHOLD),
        (0.0, Standing.BELOW_THRESHOLD),
    ],
)
def test_scores_near_the_threshold_are_possible(score: float, standing: Standing) -> None:
    """Nearer than the margin is not sure; as far as the margin is."""
    assert Scores(0.75, 0.1).standing(score) is standing


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6, 0.7, 0.8])
def test_the_ends_of_the_margin_are_the_numbers_as_written(threshold: float) -> None:
    """0.7 + 0.1 is 0.7999999999999999 in binary, and 0.8 - 0.1 is 0.7000000000000001."""
    scores = Scores(threshold, 0.1)
    assert scores.standing(float(f"{threshold + 0.1:.1f}")) is Standing.COUNTED
    assert scores.standing(float(f"{threshold - 0.1:.1f}")) is Standing.BELOW_THRESHOLD


@pytest.mark.parametrize(("score", "standing"), [(0.5, Standing.COUNTED), (0.4999, Standing.BELOW_THRESHOLD)])
def test_without_a_margin_every_score_is_sure(score: float, standing: Standing) -> None:
    """The threshold itself counts."""
    assert Scores(0.5, 0.0).standing(score) is standing


def test_a_rule_set_is_read_back_as_it_was() -> None:
    """From its plain data, with equal hash."""
    for original in (rule_set(), rule_set(**FULL), default_rule_set()):
        again = rule_set_from(original.to_mapping())
        assert again == original
        assert again.content_hash == original.content_hash


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_hash_does_not_depend_on_how_rules_are_written(shuffle: random.Random) -> None:
    """Neither the order of keys and entries, nor whole or broken numbers, nor one name or a list of one."""

    def reordered(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            shuffle.shuffle(keys)
            return {key: reordered(value[key]) for key in keys}
        if isinstance(value, list) and value and not isinstance(value[0], int | float | list):
            return shuffle.sample([reordered(item) for item in value], len(value))
        return float(value) if isinstance(value, int) and value > 1 and shuffle.random() < 0.5 else value

    written = document(**FULL)
    parts = {key: reordered(value) for key, value in written.items() if key != "version"}
    again = rule_set_from({**parts, "version": 3})
    assert again.content_hash == rule_set(**FULL).content_hash


def test_defaults_written_out_change_no_hash() -> None:
    """A class with the scores of the rule set is one without its own."""
    spelled_out = rule_set(
        classes={
            "scratch": {"severity": "low", "margin": 0.1},
            "crack": {"severity": "high", "threshold": 0.75, "margin": 0.1},
            "dust": "none",
            "stain": "medium",
        },
        unknown_class={"severity": "medium", "verdict": "REVIEW"},
        verdicts={"low": "PASS", "medium": "REVIEW", "high": "FAIL", "critical": "FAIL"},
        image_quality="REVIEW",
        rules=[],
    )
    assert spelled_out.content_hash == rule_set().content_hash


def test_name_version_and_description_are_not_content() -> None:
    """The hash tells whether two rule sets judge alike."""
    renamed = rule_set(**{**FULL, "description": "Another text."}, name="other", version=9)
    assert renamed.content_hash == rule_set(**FULL).content_hash


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": {"threshold": 0.74, "margin": 0.1}},
        {"classes": {"scratch": "medium", "crack": "high", "dust": "none", "stain": "medium"}},
        {"verdicts": {"high": "REVIEW"}},
        {"unknown_class": {"severity": "medium", "verdict": "FAIL"}},
        {"image_quality": "FAIL"},
        {"zones": {**FULL["zones"], "pads": [{"rectangle": [0.2, 0.2, 0.3, 0.31]}]}},
        {"ignore": FULL["ignore"][:1]},
        {"rules": FULL["rules"][:1]},
        {"limits": FULL["limits"][:1]},
        {"limits": [FULL["limits"][0], {"id": "dense", "total": "density_per_cm2", "fail_above": 40}]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_other_change_is_another_hash(changed: dict[str, Any]) -> None:
    """Ids too: a judgement names them."""
    assert rule_set(**{**FULL, **changed}).content_hash != rule_set(**FULL).content_hash


def test_the_hash_is_that_of_the_canonical_form() -> None:
    """It stays the same from one release to the next, for judgements are stored with it."""
    text = "schema: 1\nname: a\nversion: 1\nscores: {threshold: 0.5, margin: 0}\nclasses: {crack: high}\n"
    canonical = (
        '{"classes":{"crack":{"margin":0.0,"severity":"high","threshold":0.5}},"ignore":[],"image_quality":"REVIEW",'
        '"limits":[],"rules":[],"schema":1,"scores":{"margin":0.0,"threshold":0.5},'
        '"unknown_class":{"severity":"medium","verdict":"REVIEW"},'
        '"verdicts":{"critical":"FAIL","high":"FAIL","low":"PASS","medium":"REVIEW"},"zones":{}}'
    )
    assert read_rule_set(text).content_hash == hashlib.sha256(canonical.encode()).hexdigest()
