"""The torch engine inside the real Triton: many callers at once, each with the answer of transformers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import torch

from argosy.core.deadline import Deadline
from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.core.models import ModelSpec, Task
from argosy.core.tensors import text_tensor
from argosy.runtime.contract import InferRequest
from argosy.runtime.triton.locate import locate
from argosy.server.artifacts import spec_file, triton_config
from argosy.store.entries import ModelEntry, read_entry
from tests.engines.tiny_encoders import PAIR, embedder, scorer, spec
from tests.integration.conftest import Served, serving
from tests.suites.word_tokenizer import word_ids

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]

TEXTS = ["ship", "the calm sea", "a ship sails", "", "over the sea"]


def entry(directory: Path, model: ModelSpec) -> ModelEntry:
    (directory / "argosy.yaml").write_text(spec_file.render(model))
    (directory / "config.pbtxt").write_text(triton_config.render(model))
    return read_entry(directory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Served, Any]]:
    """An embedding model and a cross-encoder, with the network of the former."""
    place = tmp_path_factory.mktemp("torch")
    store = place / "store"
    network = embedder(store / "small" / "1")
    scorer(store / "scorer" / "1", labels=1)
    entries = [
        entry(store / "small", spec()),
        entry(store / "scorer", replace(spec(Task.RANK, text=PAIR), name="scorer")),
    ]
    async with serving(locate(), place / "run", entries) as served:
        models = served.supervisor.status.models
        assert {name: model.reason for name, model in models.items()} == {"small": "", "scorer": ""}
        yield served, network


def ask(model: str, inputs: dict[str, Any], **parameters: str) -> InferRequest:
    return InferRequest(model, inputs, parameters=parameters, deadline=Deadline.after(60))


async def test_requests_of_one_execution_get_their_own_answers(served: tuple[Served, Any]) -> None:
    """Texts and token ids together, each the pooled states of its own tokens."""
    client, network = served[0].client, served[1]
    ids = [np.array([word_ids(text)], dtype=np.int32) for text in TEXTS]
    requests = [ask("small", {"text": text_tensor([text])}) for text in TEXTS]
    requests += [ask("small", {"token_ids": row}) for row in ids]
    answers = await asyncio.gather(*(client.infer(request) for request in requests))
    for answer, row in zip(answers, ids * 2, strict=True):
        with torch.inference_mode():
            mean = network(torch.from_numpy(row).long()).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(answer.outputs["embedding"], [(mean / mean.norm()).numpy()], atol=1e-5)
        assert answer.outputs["tokens"].tolist() == [[row.size]]


async def test_errors_belong_to_their_request(served: tuple[Served, Any]) -> None:
    """Of three together one is cut, one refused and one wrong."""
    client = served[0].client
    long = {"text": text_tensor(["sea " * 20])}
    cut, refused, wrong = await asyncio.gather(
        client.infer(ask("small", long, truncate="END")),
        client.infer(ask("small", long)),
        client.infer(ask("small", long, truncate="ALL")),
        return_exceptions=True,
    )
    assert not isinstance(cut, BaseException)
    assert isinstance(refused, InputTooLong)
    assert "exceeds maximum allowed" in refused.message
    assert isinstance(wrong, InvalidRequest)
    assert wrong.param == "truncate"


async def test_scores_pairs(served: tuple[Served, Any]) -> None:
    """A cross-encoder answers with one logit a pair."""
    inputs = {"query": text_tensor(["ship", "sea"]), "passage": text_tensor(["the calm", "a"])}
    answer = await served[0].client.infer(ask("scorer", inputs))
    assert answer.outputs["logit"].shape == (2, 1)
    assert answer.outputs["tokens"].tolist() == [[6], [5]]
