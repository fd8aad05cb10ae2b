"""What lies between requests and a network, with networks that are plain functions of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import EngineError, InputTooLong
from argosy.core.models import ModelSpec, Task, TextSpec
from argosy.core.tensors import Tensor, text_tensor
from argosy.engines.contract import TensorRequest
from argosy.engines.encoders.text_model import TextModel
from argosy.engines.encoders.tokens import TokenRow, Tokens
from tests.suites.engine_contract import succeeded
from tests.suites.word_tokenizer import word_ids, write_tokenizer

SPEC = ModelSpec("m", Task.EMBED, "torch", text=TextSpec())
LONGEST = 4


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    write_tokenizer(tmp_path / "tokenizer.json")
    return Tokens(tmp_path / "tokenizer.json", LONGEST, 1)


def ask(text: str, truncate: str = "NONE") -> TensorRequest:
    return TensorRequest({"text": text_tensor([text])}, {"truncate": truncate})


def test_each_request_cuts_the_same_text_its_own_way(tokens: Tokens) -> None:
    """And one that wants it whole is refused, although others of the same execution had it cut."""
    model = TextModel(SPEC, tokens, None, lambda rows: [row.ids.astype(np.float32) for row in rows])
    text = "a calm sea the ship"
    start, end, whole = model.infer([ask(text, "START"), ask(text, "END"), ask(text)])
    begin, *words, close = word_ids(text)
    assert succeeded(start)["embedding"].tolist() == [[begin, *words[-2:], close]]
    assert succeeded(end)["embedding"].tolist() == [[begin, *words[:2], close]]
    assert isinstance(whole, InputTooLong)


def test_a_row_that_failed_fails_the_requests_that_asked_for_it(tokens: Tokens) -> None:
    """Not the others, and never in part; every distinct text is read once."""
    read: list[int] = []

    def network(rows: Sequence[TokenRow]) -> list[Tensor | None]:
        read.append(len(rows))
        return [None if word_ids("sea")[1] in row.ids else np.ones(3, np.float32) for row in rows]

    model = TextModel(SPEC, tokens, None, network)
    both = TensorRequest({"text": text_tensor(["ship", "sea"])})
    failed, sound = model.infer([both, ask("ship")])
    assert isinstance(failed, EngineError)
    assert succeeded(sound)["embedding"].shape == (1, 3)
    assert read == [2]
