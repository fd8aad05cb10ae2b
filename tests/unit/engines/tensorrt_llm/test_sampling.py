"""What `SamplingParams` is given, by its documentation; the library is not here to try it on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.engines.contract import Constraint, ConstraintKind, Sampling
from argosy.engines.grammar.messages import Grammar
from argosy.engines.tensorrt_llm.messages import Settings, end_tokens
from argosy.engines.tensorrt_llm.sampling import MOST_TOP_K, guide, resolve

VOCABULARY = 32000
END = 2


def settings(*ends: int, **sampling: object) -> Settings:
    values = {"temperature": 0.0, **sampling}
    return resolve(replace(Sampling(), **values), 10, vocabulary=VOCABULARY, end_tokens=ends or (END,))


def arguments(**sampling: object) -> dict[str, Any]:
    return settings(**sampling).arguments


def test_greedy() -> None:
    """The whole of it: one token is considered, and none of the library's defaults for drawing comes in."""
    assert arguments() == {
        "max_tokens": 10,
        "top_k": 1,
        "end_id": END,
        "pad_id": END,
        "stop_token_ids": None,
        "ignore_eos": False,
        "detokenize": False,
        "include_stop_str_in_output": True,
    }


def test_drawing_says_everything() -> None:
    """With neither top_k nor top_p the library would be greedy, and without a seed it would take 0."""
    drawn = arguments(temperature=0.7, seed=2**64 + 5)
    assert {name: drawn[name] for name in ("temperature", "top_k", "top_p", "seed")} == {
        "temperature": 0.7,
        "top_k": 0,
        "top_p": 1.0,
        "seed": 5,
    }
    assert "min_p" not in drawn
    assert arguments(temperature=0.7, min_p=0.2, top_k=40, top_p=0.9)["min_p"] == 0.2
    assert len({arguments(temperature=1.0)["seed"] for _ in range(4)}) > 1


def test_penalties_are_said_when_they_do_something() -> None:
    """Greedy answers have them too."""
    said = arguments(repetition_penalty=1.1, presence_penalty=0.5, frequency_penalty=-0.5)
    assert (said["repetition_penalty"], said["presence_penalty"], said["frequency_penalty"]) == (1.1, 0.5, -0.5)


def test_more_than_the_kernels_consider_is_refused() -> None:
    """They would consider fewer without a word; all are all, whatever their number."""
    assert arguments(temperature=1.0, top_k=MOST_TOP_K)["top_k"] == MOST_TOP_K
    assert arguments(temperature=1.0, top_k=VOCABULARY)["top_k"] == 0
    with pytest.raises(InvalidRequest, match="top_k") as caught:
        arguments(temperature=1.0, top_k=MOST_TOP_K + 1)
    assert caught.value.param == "top_k"


def test_several_tokens_may_end_an_answer() -> None:
    """The library has one end token; the others are stop words, left in the answer and so counted."""
    several = settings(7, 8, 9).arguments
    assert (several["end_id"], several["pad_id"], several["stop_token_ids"]) == (7, 7, [8, 9])
    assert end_tokens(settings(7, 8, 9)) == (7, 8, 9)


def test_no_token_ends_an_answer_that_ignores_them() -> None:
    """Nor where the model has none."""
    ignoring = settings(7, 8, ignore_eos=True).arguments
    assert (ignoring["end_id"], ignoring["stop_token_ids"], ignoring["ignore_eos"]) == (-1, None, True)
    none = resolve(Sampling(), 10, vocabulary=VOCABULARY, end_tokens=()).arguments
    assert (none["end_id"], none["pad_id"]) == (-1, 0)
    assert end_tokens(settings(7, 8, ignore_eos=True)) == ()


def test_min_tokens_is_held_or_refused() -> None:
    """The library holds back the end token, and no stop word."""
    assert arguments(min_tokens=5)["min_tokens"] == 5
    assert settings(7, 8, min_tokens=5, ignore_eos=True).arguments["min_tokens"] == 5
    with pytest.raises(InvalidRequest, match="several end tokens") as caught:
        settings(7, 8, min_tokens=5)
    assert caught.value.param == "min_tokens"


def test_log_probabilities_of_the_tokens_chosen_only() -> None:
    """The sampler that has all the rest tells no others."""
    assert arguments(logprobs=True)["logprobs"] == 1
    assert "logprobs" not in arguments()
    with pytest.raises(UnsupportedParameter) as caught:
        arguments(logprobs=True, top_logprobs=2)
    assert caught.value.param == "top_logprobs"


def test_a_bias_is_checked_and_sent_by_token() -> None:
    """A tensor is made of it in the worker, where torch is."""
    assert settings(logit_bias={5: 1.5, 0: -100.0}).logit_bias == {5: 1.5, 0: -100.0}
    for bias in ({VOCABULARY: 1.0}, {-1: 1.0}, {5: float("nan")}):
        with pytest.raises(InvalidRequest) as caught:
            settings(logit_bias=bias)
        assert caught.value.param == "logit_bias"


@pytest.mark.parametrize(
    ("kind", "text", "field"),
    [
        (ConstraintKind.REGEX, "[ab]+", "regex"),
        (ConstraintKind.EBNF, 'root ::= "a"', "grammar"),
        (ConstraintKind.JSON_SCHEMA, '{"type": "boolean"}', "json"),
        (ConstraintKind.STRUCTURAL_TAG, '{"type": "structural_tag", "format": {"type": "any_text"}}', "structural_tag"),
    ],
)
def test_a_constraint_becomes_the_guide_of_its_kind(kind: ConstraintKind, text: str, field: str) -> None:
    """Under the library's name for it."""
    constraint = settings(constraint=Constraint(kind, text)).constraint
    assert constraint is not None
    assert guide(constraint) == {field: constraint.text}


def test_a_constraint_that_can_be_seen_to_be_wrong_is_refused() -> None:
    """Before any library hears of it, as is what cannot be had beside one."""
    good = Constraint(ConstraintKind.REGEX, "[ab]+")
    assert settings(constraint=good).constraint == Grammar("regex", "[ab]+")
    with pytest.raises(InvalidRequest):
        settings(constraint=Constraint(ConstraintKind.JSON_SCHEMA, "{"))
    with pytest.raises(InvalidRequest, match="ignore_eos"):
        settings(constraint=good, ignore_eos=True)
