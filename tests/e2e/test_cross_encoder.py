"""A cross-encoder's folder, as an exporter writes it, becomes a re-ranking service."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tests.e2e.running import Running, serve
from tests.suites.word_tokenizer import write_tokenizer
from tests.unit.engines.openvino import networks
from tests.unit.server.artifacts.onnx_bytes import pair_scorer

QUERY = "the ship"
MODELS = ("judge-ir", "judge-onnx")
PASSAGES = ["a", "calm sea", "ship sails over a sea", "the"]


@pytest.fixture(scope="module")
def rankers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`judge-ir` and `judge-onnx`, one network in two formats that adds up token ids of the passage."""
    folder = tmp_path_factory.mktemp("cross")
    sources = [folder / name for name in MODELS]
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "id2label": {"0": "LABEL_0"},
        "max_position_embeddings": 16,
    }
    for source in sources:
        source.mkdir()
        write_tokenizer(source / "tokenizer.json")
        (source / "config.json").write_text(json.dumps(config))
    networks.write_cross_encoder(sources[0] / "openvino_model.xml")
    pair_scorer(sources[1] / "model.onnx")
    with serve(folder, *map(str, sources), "--cache", str(folder / "cache")) as running:
        running.wait_ready()
        yield running


def logits() -> np.ndarray:
    """What the network computes, by NumPy; its arithmetic is in bf16 where the processor has it."""
    return np.array([networks.pair_scores(QUERY, passage)[0] for passage in PASSAGES])


@pytest.mark.parametrize("model", MODELS)
def test_ranking_gives_the_networks_logits(rankers: Running, model: str) -> None:
    """Sorted, for pairs that were tokenised together."""
    body = {"model": model, "query": {"text": QUERY}, "passages": [{"text": text} for text in PASSAGES]}
    rankings = rankers.post("/v1/ranking", body).json()["rankings"]
    assert [item["index"] for item in rankings] == np.argsort(-logits(), kind="stable").tolist()
    np.testing.assert_allclose([item["logit"] for item in rankings], np.sort(logits())[::-1], rtol=0.01)


@pytest.mark.parametrize("model", MODELS)
def test_reranking_gives_probabilities(rankers: Running, model: str) -> None:
    """The sigmoid of the logits, in Cohere's form and in TEI's."""
    cohere = rankers.post("/v2/rerank", {"model": model, "query": QUERY, "documents": PASSAGES}).json()["results"]
    tei = rankers.post(f"/m/{model}/rerank", {"query": QUERY, "texts": PASSAGES}).json()
    order = np.argsort(-logits(), kind="stable").tolist()
    assert [item["index"] for item in cohere] == [item["index"] for item in tei] == order
    wanted = 1 / (1 + np.exp(-logits()[order]))
    np.testing.assert_allclose([item["relevance_score"] for item in cohere], wanted, atol=1e-3)
    np.testing.assert_allclose([item["score"] for item in tei], wanted, atol=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_a_passage_that_does_not_fit_is_refused_or_cut(rankers: Running, model: str) -> None:
    """16 tokens hold the query, three special tokens and eleven of the passage."""
    body = {"model": model, "query": {"text": QUERY}, "passages": [{"text": "sea " * 40}]}
    refused = rankers.post("/v1/ranking", body)
    assert refused.status_code == 400
    assert "exceeds maximum allowed" in refused.json()["message"]
    cut = rankers.post("/v1/ranking", {**body, "truncate": "END"}).json()
    wanted = networks.pair_scores(QUERY, "sea " * 11)[0]
    np.testing.assert_allclose(cut["rankings"][0]["logit"], wanted, rtol=0.01)
    assert cut["usage"]["total_tokens"] == 16
