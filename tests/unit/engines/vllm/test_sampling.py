"""A request's sampling becomes vLLM's arguments exactly, or is refused by the name of its field."""

from __future__ import annotations

from typing import Any

import pytest

from argosy.core.errors import InvalidRequest
from argosy.engines.contract import Constraint, ConstraintKind, Sampling
from argosy.engines.grammar.messages import Grammar
from argosy.engines.vllm.sampling import grammar, sampling_arguments, structured_outputs

DIGITS = Constraint(ConstraintKind.REGEX, "[0-9]+")


def arguments(**sampling: Any) -> dict[str, Any]:
    return sampling_arguments(Sampling(**sampling), 16, vocabulary=100, end_tokens=(7, 2))


def test_what_is_not_said_changes_nothing() -> None:
    """vLLM's own neutral values, spelled out."""
    assert arguments() == {
        "max_tokens": 16,
        "min_tokens": 0,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": None,
        "ignore_eos": False,
        "stop_token_ids": [2, 7],
        "logprobs": None,
        "logit_bias": None,
        "detokenize": False,
    }


def test_what_is_said_is_handed_on() -> None:
    """Under vLLM's names."""
    said = {
        "min_tokens": 3, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.2,
        "presence_penalty": 0.5, "frequency_penalty": -0.5, "seed": 11, "logit_bias": {3: -100.0},
    }  # fmt: skip
    assert {key: value for key, value in arguments(**said).items() if key in said} == said


def test_end_tokens_do_not_end_what_ignores_them() -> None:
    """vLLM obeys `stop_token_ids` whatever `ignore_eos` says."""
    assert arguments(ignore_eos=True)["stop_token_ids"] == []


@pytest.mark.parametrize(
    ("said", "wanted"),
    [({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 5}, 5), ({"top_logprobs": 5}, None), ({}, None)],
)
def test_log_probabilities(said: dict[str, Any], wanted: int | None) -> None:
    """Of the chosen token alone, or of some more."""
    assert arguments(**said)["logprobs"] == wanted


def test_temperatures_next_to_zero_are_greedy() -> None:
    """What would overflow when divided by is zero."""
    assert arguments(temperature=1e-7)["temperature"] == 0


@pytest.mark.parametrize("seed", [0, 7, -1, 2**64 - 1, 2**80])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    """Brought into the generator's range, where -1 would mean none."""
    assert 0 <= arguments(seed=seed)["seed"] < 2**63


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"min_tokens": 17}, "min_tokens"),
        ({"stop": ("",)}, "stop"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {100: 1.0}}, "logit_bias"),
        ({"logit_bias": {-1: 1.0}}, "logit_bias"),
        ({"logit_bias": {1: float("inf")}}, "logit_bias"),
    ],
)
def test_names_the_field_at_fault(said: dict[str, Any], param: str) -> None:
    """A value the engine cannot honour is refused with its field's name."""
    with pytest.raises(InvalidRequest) as caught:
        arguments(**said)
    assert caught.value.param == param


def test_a_constraint_is_said_in_vllm_s_words() -> None:
    """One field for each kind."""
    assert grammar(Sampling()) is None
    assert grammar(Sampling(constraint=DIGITS)) == Grammar("regex", "[0-9]+")
    fields = {kind: [*structured_outputs(Grammar(kind, "x"))] for kind in ConstraintKind}
    assert fields == {
        ConstraintKind.JSON_SCHEMA: ["json"],
        ConstraintKind.REGEX: ["regex"],
        ConstraintKind.EBNF: ["grammar"],
        ConstraintKind.STRUCTURAL_TAG: ["structural_tag"],
    }


@pytest.mark.parametrize("said", [{"ignore_eos": True}, {"min_tokens": 1}])
def test_what_does_not_go_with_a_constraint_is_refused(said: dict[str, Any]) -> None:
    """Where it is satisfied only the end is left."""
    with pytest.raises(InvalidRequest) as caught:
        grammar(Sampling(constraint=DIGITS, **said))
    assert caught.value.param == next(iter(said))
