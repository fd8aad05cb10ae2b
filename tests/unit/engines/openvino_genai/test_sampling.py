"""Sampling is checked and completed before it reaches the pipeline."""

from __future__ import annotations

import pytest

from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.engines.contract import Constraint, ConstraintKind, Sampling
from argosy.engines.grammar.messages import Grammar
from argosy.engines.openvino_genai.sampling import resolve


def test_fills_the_context_without_max_tokens() -> None:
    """`max_tokens` None is what the context leaves."""
    assert resolve(Sampling(), 30, 100).max_tokens == 70


DIGITS = Constraint(ConstraintKind.REGEX, "[0-9]+")


@pytest.mark.parametrize(("prompt", "max_tokens"), [(100, None), (101, None), (99, 2), (1, 100), (200, 1)])
def test_refuses_what_does_not_fit(prompt: int, max_tokens: int | None) -> None:
    """One token too many is too long."""
    with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
        resolve(Sampling(max_tokens), prompt, 100)


@pytest.mark.parametrize(("prompt", "max_tokens"), [(99, None), (99, 1), (1, 99)])
def test_takes_what_just_fits(prompt: int, max_tokens: int | None) -> None:
    """Prompt and answer may fill the context to the last token."""
    assert prompt + resolve(Sampling(max_tokens), prompt, 100).max_tokens == 100


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"min_tokens": -1}, "min_tokens"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"frequency_penalty": -2.1}, "frequency_penalty"),
        ({"stop": ("a", "")}, "stop"),
        ({"min_p": 1.1}, "min_p"),
        ({"min_p": float("nan")}, "min_p"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"logit_bias": {1: 1.0}}, "logit_bias"),
        ({"constraint": DIGITS, "ignore_eos": True}, "ignore_eos"),
        ({"constraint": DIGITS, "min_tokens": 1}, "min_tokens"),
    ],
)
def test_names_the_field_at_fault(values: dict[str, object], param: str) -> None:
    """A value the engine cannot honour is refused with its field's name."""
    with pytest.raises(InvalidRequest) as caught:
        resolve(Sampling(**values), 10, 100)
    assert caught.value.param == param
    assert param.partition("_")[0] in caught.value.message


def test_a_constraint_is_checked_and_said_exactly() -> None:
    """A constraint that is seen to be wrong is refused; a good one is handed on in the compiler's words."""
    with pytest.raises(InvalidRequest) as caught:
        resolve(Sampling(constraint=Constraint(ConstraintKind.JSON_SCHEMA, "{")), 10, 100)
    assert caught.value.param == "constraint"
    assert resolve(Sampling(constraint=DIGITS), 10, 100).constraint == Grammar("regex", "[0-9]+")
    lengths = Constraint(ConstraintKind.JSON_SCHEMA, '{"type": "string", "minLength": 2}')
    exact = resolve(Sampling(constraint=lengths), 10, 100).constraint
    assert exact is not None
    assert "pattern" in exact.text


def test_an_empty_prompt_is_refused() -> None:
    """There must be something to continue."""
    with pytest.raises(InvalidRequest, match="empty"):
        resolve(Sampling(), 0, 100)


def test_draws_a_seed_when_there_is_none() -> None:
    """Without a seed every request gets its own."""
    assert len({resolve(Sampling(), 1, 100).seed for _ in range(8)}) > 1


@pytest.mark.parametrize("seed", [0, 7, -1, 2**64 - 1, 2**80, -(2**70)])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    """Seeds out of the pipeline's range are brought into it, always in the same way."""
    resolved = resolve(Sampling(seed=seed), 1, 100).seed
    assert 0 <= resolved < 2**64
    assert resolved == resolve(Sampling(seed=seed), 1, 100).seed


def test_temperatures_next_to_zero_are_greedy() -> None:
    """What would overflow when divided by is zero."""
    assert resolve(Sampling(temperature=1e-7), 1, 100).temperature == 0
    assert resolve(Sampling(temperature=0.01), 1, 100).temperature == 0.01
