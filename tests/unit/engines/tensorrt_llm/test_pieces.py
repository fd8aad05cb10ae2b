"""What is read from the library's results, given objects with the documented attributes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from argosy.engines.tensorrt_llm.pieces import Piece, cache_usage, read_piece
from argosy.engines.text.logprobs import LEAST


def output(tokens: list[int], new: int, logprobs: list[Any] | None = None, reason: str | None = None) -> Any:
    """A `CompletionOutput` whose last response brought `new` of its tokens."""
    diff = tokens[len(tokens) - new :]
    return SimpleNamespace(token_ids=tokens, token_ids_diff=diff, logprobs=logprobs, finish_reason=reason)


def told(*values: float) -> list[Any]:
    """Log-probabilities as `TRTLLMSampler` tells them, of the tokens 10, 11, …."""
    return [{10 + index: SimpleNamespace(logprob=value, rank=1)} for index, value in enumerate(values)]


def test_only_what_is_new_is_read() -> None:
    """The result grows; tokens that were read are not read again, and neither are their log-probabilities."""
    grown = output([10, 11, 12], 2, told(-0.1, -0.2, -0.3))
    assert read_piece(grown, over=False, logprobs=True) == Piece([11, 12], [-0.2, -0.3], "")
    assert read_piece(grown, over=False, logprobs=False) == Piece([11, 12], [], "")


def test_log_probabilities_may_be_plain_numbers() -> None:
    """As the library's type says; what is missing is the least there is."""
    assert read_piece(output([10, 11], 2, [-0.1, -0.2]), over=False, logprobs=True).logprobs == [-0.1, -0.2]
    assert read_piece(output([10, 11], 2, [-0.1]), over=False, logprobs=True).logprobs == [-0.1, LEAST]
    assert read_piece(output([99], 1, told(-0.1)), over=False, logprobs=True).logprobs == [LEAST]
    assert read_piece(output([10], 1, [float("-inf")]), over=False, logprobs=True).logprobs == [LEAST]
    assert read_piece(output([10], 1), over=False, logprobs=True).logprobs == [LEAST]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("cancelled", "cancelled"),
        ("timeout", "fault"),
        ("not_finished", "fault"),
        (None, "fault"),
    ],
)
def test_every_end_has_a_reason(reason: str | None, expected: str) -> None:
    """What no answer may end with is a failure; while it goes on there is none."""
    assert read_piece(output([10], 0, reason=reason), over=True, logprobs=False).reason == expected
    assert read_piece(output([10], 1, reason=reason), over=False, logprobs=False).reason == ""


def test_the_end_token_is_counted_although_the_sampler_keeps_it_to_itself() -> None:
    """One that is among the tokens (a stop word to the library) is not added again, and other ends have none."""
    hidden = output([10, 11], 1, told(-0.1, -0.2), "stop")
    assert read_piece(hidden, over=True, logprobs=True, ends=(2, 7)) == Piece([11, 2], [-0.2, LEAST], "stop")
    assert read_piece(hidden, over=True, logprobs=False, ends=(2, 7)) == Piece([11, 2], [], "stop")
    assert read_piece(output([], 0, [], "stop"), over=True, logprobs=False, ends=(2,)).tokens == [2]
    assert read_piece(output([10, 7], 1, [], "stop"), over=True, logprobs=False, ends=(2, 7)).tokens == [7]
    assert read_piece(output([10, 7], 0, [], "stop"), over=True, logprobs=False, ends=(2, 7)).tokens == []
    assert read_piece(output([10], 1, [], "length"), over=True, logprobs=False, ends=(2,)).tokens == [10]
    assert read_piece(output([10], 1, [], "stop"), over=True, logprobs=False).tokens == [10]


def test_how_full_the_cache_is() -> None:
    """By its blocks, where the statistics have them."""
    assert cache_usage({"kvCacheStats": {"usedNumBlocks": 3, "maxNumBlocks": 12}}) == 0.25
    assert cache_usage({"kvCacheStats": {"usedNumBlocks": 13, "maxNumBlocks": 12}}) == 1.0
    for without in ({}, {"kvCacheStats": None}, {"kvCacheStats": {"usedNumBlocks": 3}}):
        assert cache_usage(without) == 0.0
