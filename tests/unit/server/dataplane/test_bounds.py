from __future__ import annotations

import pytest

from argosy.core.errors import InputTooLong
from argosy.core.models import ModelSpec
from argosy.core.tensors import raw_of, text_tensor
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.bounds import CHARACTERS_PER_TOKEN, bound_tensors, bound_texts

LIMIT = 512 * CHARACTERS_PER_TOKEN


@pytest.fixture
def model() -> ServedModel:
    data = {"schema": 1, "name": "m", "task": "embed", "engine": "echo", "text": {"max_tokens": 512}}
    return ServedModel("m", "m", ModelSpec.from_mapping(data), 0)


def test_texts_that_could_fit_are_left_alone(model: ServedModel) -> None:
    """The engine decides about everything near its limit."""
    texts = ["short", "x" * LIMIT]
    assert bound_texts(texts, model, "text") == texts


@pytest.mark.parametrize("truncate", [None, "NONE"])
def test_a_text_that_cannot_fit_is_refused_by_name(model: ServedModel, truncate: str | None) -> None:
    """It never reaches a tokenizer, and the words are those clients look for."""
    with pytest.raises(InputTooLong, match="exceeds maximum allowed") as caught:
        bound_texts(["ok", "x" * (LIMIT + 1)], model, "passage", truncate)
    assert caught.value.param == "passage"


def test_a_text_that_may_be_cut_keeps_the_end_that_counts(model: ServedModel) -> None:
    """END cuts the end, START the start."""
    text = "a" + "x" * LIMIT + "b"
    assert bound_texts([text], model, "text", "END")[0][0] == "a"
    assert bound_texts([text], model, "text", "START")[0][-1] == "b"
    assert {len(bound_texts([text], model, "text", side)[0]) for side in ("START", "END")} == {LIMIT}


def test_raw_texts_are_bounded_too(model: ServedModel) -> None:
    """By their bytes, of which a character has four at most; many short texts are no long one."""
    for texts in (["x" * LIMIT * 4], ["short"] * LIMIT):
        bound_tensors({"text": raw_of(text_tensor(texts))}, model)
    with pytest.raises(InputTooLong, match="exceeds maximum allowed") as caught:
        bound_tensors({"query": raw_of(text_tensor(["ok", "x" * (LIMIT * 4 + 1)]))}, model)
    assert caught.value.param == "query"
