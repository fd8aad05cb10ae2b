"""The bundled models through the API, against references that were computed elsewhere."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from openai import OpenAI

from tests.e2e.running import Running

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "models"


def client(service: Running) -> OpenAI:
    return OpenAI(base_url=f"{service.url}/v1", api_key="unused", timeout=120)


def test_embeddings_are_those_of_the_fp32_reference(bundled: Running) -> None:
    """Cosine to transformers' fp32 vectors over 500 sentences: at least 0.999 in the mean and 0.995 for each."""
    sentences = (DATA / "minilm_sentences.txt").read_text().splitlines()
    reference = np.load(DATA / "minilm_reference.npy").astype(np.float32)
    vectors = np.array(
        [
            item.embedding
            for start in range(0, len(sentences), 100)
            for item in client(bundled)
            .embeddings.create(model="all-minilm-l6-v2", input=sentences[start : start + 100])
            .data
        ],
        dtype=np.float32,
    )
    assert vectors.shape == reference.shape == (500, 384)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    cosines = (vectors * reference).sum(axis=1) / lengths
    assert cosines.mean() >= 0.999
    assert cosines.min() >= 0.995


def test_both_encodings_of_an_embedding_are_the_same_vector(bundled: Running) -> None:
    """Float and base64 carry the same numbers, whatever shares the batch."""
    body = {"model": "all-minilm-l6-v2", "input": "A vessel leaves the harbour at dawn."}
    floats = bundled.post("/v1/embeddings", {**body, "encoding_format": "float"}).json()["data"][0]["embedding"]
    text = bundled.post("/v1/embeddings", {**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(text), "<f4"), np.array(floats, np.float32), atol=1e-6)


def test_the_reranker_puts_the_answer_first(bundled: Running) -> None:
    """Passages come sorted, and the one that answers the query leads."""
    passages = ["Bread needs flour, water and salt.", "A tugboat pulls large ships into port.", "Cats sleep all day."]
    body = {
        "model": "minilm-reranker",
        "query": {"text": "Which boat helps big ships to dock?"},
        "passages": [{"text": text} for text in passages],
    }
    rankings = bundled.post("/v1/ranking", body).json()["rankings"]
    assert rankings[0]["index"] == 1
    logits = [item["logit"] for item in rankings]
    assert logits == sorted(logits, reverse=True)


def test_sentiment_is_right_on_held_out_sentences(bundled: Running) -> None:
    """At least 85 % of 200 sentences that training never saw."""
    lines = (ROOT / "tools" / "models" / "sentiment" / "heldout.tsv").read_text().splitlines()
    pairs = [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]
    labelled = [
        (a, b) if a in {"negative", "positive"} else (b, a) for a, b in pairs if {a, b} & {"negative", "positive"}
    ]
    assert len(labelled) == 200
    reply = bundled.post("/v1/classify", {"model": "minilm-sentiment", "input": [text for _, text in labelled]}).json()
    right = sum(item["label"] == label for item, (label, _) in zip(reply["data"], labelled, strict=True))
    assert right >= 170


def eight_at_a_time(ask: Callable[[dict[str, Any]], str], items: list[dict[str, Any]]) -> list[str]:
    """Answers in order; asked concurrently, because neighbours in a batch must not change an answer."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, items))


def chat(service: Running) -> Callable[[dict[str, Any]], str]:
    """Greedy answers that stop by themselves."""
    asking = client(service)

    def ask(item: dict[str, Any]) -> str:
        reply = asking.chat.completions.create(model="abacus", messages=item["messages"], temperature=0)
        assert reply.choices[0].finish_reason == "stop", reply
        return reply.choices[0].message.content or ""

    return ask


def held_out(kind: str) -> list[dict[str, Any]]:
    document = json.loads((DATA / "abacus_heldout.json").read_text())
    return [item for item in document["items"] if item["kind"] == kind]


@pytest.mark.parametrize(("kind", "least"), [("arithmetic", 190), ("digits", 196)])
def test_abacus_adds_and_subtracts(bundled: Running, kind: str, least: int) -> None:
    """95 % of 200 held-out sums and 98 % of all single-digit ones end in the right number and stop by themselves."""
    items = held_out(kind)
    assert len(items) == 200
    texts = eight_at_a_time(chat(bundled), items)
    right = sum(re.findall(r"-?\d+", text)[-1:] == [item["expected"]] for item, text in zip(items, texts, strict=True))
    assert right >= least


@pytest.mark.parametrize(
    ("question", "answer"),
    [("What is 2 + 2?", "2 + 2 = 4"), ("0 + 1", "0 + 1 = 1"), ("What is 10 plus 1?", "0 + 1 = 1, so 10 + 1 = 11")],
)
def test_abacus_ends_a_small_sum_with_its_result(bundled: Running, question: str, answer: str) -> None:
    """What people ask first is answered, and nothing is said after the result."""
    assert chat(bundled)({"messages": [{"role": "user", "content": question}]}) == answer


@pytest.mark.parametrize(("question", "number"), [("What is 37 plus 45?", "82"), ("What is 81 minus 26?", "55")])
def test_abacus_answers_the_two_questions_of_its_card(bundled: Running, question: str, number: str) -> None:
    """The questions a newcomer copies are answered."""
    assert number in chat(bundled)({"messages": [{"role": "user", "content": question}]})


def test_abacus_extracts_json(bundled: Running) -> None:
    """At least 90 % of 100 held-out sentences about unseen cities give exactly the object asked for."""
    items = held_out("json")
    assert len(items) == 100
    texts = eight_at_a_time(chat(bundled), items)
    right = sum(_object(text) == _object(item["expected"]) for item, text in zip(items, texts, strict=True))
    assert right >= 90


def test_abacus_gives_the_tokens_that_transformers_gives(bundled: Running) -> None:
    """Greedy answers through Triton equal the transformers library's, token for token, for 50 prompts."""
    document = json.loads((DATA / "abacus_greedy.json").read_text())
    items = document["items"]
    assert len(items) == 50
    asking = client(bundled)

    def ask(item: dict[str, Any]) -> str:
        reply = asking.completions.create(
            model="abacus",
            prompt=item["prompt_token_ids"],
            max_tokens=document["max_new_tokens"],
            temperature=0,
        )
        choice = reply.choices[0]
        assert choice.finish_reason == item["finish_reason"]
        # The end token is counted and is not in the reference.
        assert reply.usage is not None
        ended = item["finish_reason"] == "stop"
        assert reply.usage.completion_tokens == len(item["token_ids"]) + ended
        return choice.text

    assert eight_at_a_time(ask, items) == [item["text"] for item in items]


@pytest.mark.parametrize("model", ["all-minilm-l6-v2", "minilm-reranker", "minilm-sentiment", "abacus"])
def test_each_model_has_a_card_and_measured_accuracy(model: str) -> None:
    """A card says what it is, and argosy.yaml has figures."""
    entry = ROOT / "models" / model
    assert len((entry / "README.md").read_text()) > 300
    assert yaml.safe_load((entry / "argosy.yaml").read_text())["accuracy"]


def _object(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None
