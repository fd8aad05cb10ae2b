"""`argosy serve` of checkpoints as they are published: vLLM and torch behind the whole server, converted nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import yaml

from tests.conversion.asked import LABELS, NEW_TOKENS, PASSAGES, QUERY, TEXTS
from tests.e2e.running import Running, serve
from tests.suites.hub_server import Repository, serve_hub

MODELS = ("llama", "encoder", "cross-encoder", "classifier")
READY_WITHIN = 400.0
"""vLLM starts processes of its own and imports much; time never decides a test."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Published:
    """Checkpoints, and what transformers says for them.

    Attributes:
        answers: by model.
    """

    folder: Path
    answers: Mapping[str, Any]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("published")
    script = Path(__file__).with_name("published_models.py")
    done = subprocess.run([sys.executable, script, folder], capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return Published(folder, json.loads((folder / "answers.json").read_text()))


@pytest.fixture(scope="module")
def running(published: Published) -> Iterator[Running]:
    """All of them on one server; f32 where the answers are compared to the last digit."""
    paths = [str(published.folder / name) for name in MODELS]
    arguments = ["--cache", str(published.folder / "cache"), "--model-profile", "precision=f32"]
    with serve(published.folder, *paths, *arguments) as service:
        service.wait_ready(READY_WITHIN)
        yield service


@pytest.fixture(scope="module")
def client(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0, timeout=120)


def test_a_llama_writes_what_transformers_writes(published: Published, client: openai.OpenAI) -> None:
    """Every greedy answer, letter by letter, all asked at once."""
    reply = client.completions.create(model="llama", prompt=TEXTS, max_tokens=NEW_TOKENS, temperature=0)
    assert [choice.text for choice in reply.choices] == published.answers["llama"]


def test_a_streamed_answer_is_the_whole_one(published: Published, client: openai.OpenAI) -> None:
    """Chunk by chunk."""
    chunks = client.completions.create(
        model="llama", prompt=TEXTS[0], max_tokens=NEW_TOKENS, temperature=0, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == published.answers["llama"][0]


def test_an_encoder_gives_the_vectors_of_transformers(published: Published, client: openai.OpenAI) -> None:
    """Mean-pooled unit vectors."""
    reply = client.embeddings.create(model="encoder", input=TEXTS)
    vectors = np.array([item.embedding for item in reply.data])
    np.testing.assert_allclose(vectors, np.array(published.answers["encoder"]), atol=1e-5)


def test_a_cross_encoder_gives_the_logits_of_transformers(published: Published, running: Running) -> None:
    """In the order of relevance."""
    body = {"model": "cross-encoder", "query": {"text": QUERY}, "passages": [{"text": text} for text in PASSAGES]}
    rankings = running.post("/v1/ranking", body).json()["rankings"]
    wanted = np.array(published.answers["cross-encoder"])
    found = {item["index"]: item["logit"] for item in rankings}
    assert [item["index"] for item in rankings] == np.argsort(-wanted).tolist()
    np.testing.assert_allclose([found[index] for index in range(len(wanted))], wanted, atol=1e-4)


def test_a_classifier_gives_the_probabilities_of_transformers(published: Published, running: Running) -> None:
    """With the labels of its config."""
    data = running.post("/v1/classify", {"model": "classifier", "input": TEXTS}).json()["data"]
    wanted = np.array(published.answers["classifier"])
    assert [item["label"] for item in data] == [LABELS[index] for index in wanted.argmax(axis=1)]
    np.testing.assert_allclose([item["probs"] for item in data], wanted, atol=1e-5)


def test_everyone_is_told_the_profile_that_was_chosen(published: Published, running: Running) -> None:
    """The entry, the manifest, the profiles and the lines of the start name one id."""
    told = {model["model"]: model for model in running.get("/api/v1/profiles").json()["models"]}
    written = running.log.read_text()
    for name in MODELS:
        (written_spec,) = (published.folder / "cache").glob(f"profiles/*/store/{name}/argosy.yaml")
        spec = yaml.safe_load(written_spec.read_text())
        profile = spec["source"]["profile"]
        assert profile["name"] == ("vllm-cpu-f32" if name == "llama" else "torch-cpu-f32")
        assert (told[name]["selected"], told[name]["profiles"][0]["status"]) == (profile["id"], "compatible")
        assert f"Selected profile: {profile['id']} ({profile['name']}) for {name}" in written


def test_without_a_wish_the_machine_decides(published: Published) -> None:
    """The dry run says with what, why, and what would be better."""
    said = argosy("serve", str(published.folder / "llama"), "--dry-run", "--cache", str(published.folder / "other"))
    assert "(vllm-cpu-bf16)" in said or "(vllm-cpu-f32)" in said
    assert "the best ranked that needs no build step" in said
    assert "Preferred, and not taken: openvino_genai-int8" in said


def test_a_repository_is_pulled_and_served_without_the_hub(published: Published) -> None:
    """With the same choice, and its bytes checked."""
    files = {path.name: path.read_bytes() for path in (published.folder / "encoder").iterdir()}
    cache = ("--cache", str(published.folder / "pulled"))
    with serve_hub() as hub:
        hub.repositories["acme/Encoder"] = Repository({**files, "pytorch_model.bin": b"a pickle"})
        told = argosy("pull", "acme/Encoder", "--json", "--hub-endpoint", hub.endpoint, *cache)
    done = json.loads(told.splitlines()[-1])
    assert (done["event"], done["model"]) == ("done", "encoder")
    said = argosy("serve", "hf://acme/Encoder", "--dry-run", "--offline", *cache)
    assert "(torch-cpu-bf16)" in said or "(torch-cpu-f32)" in said
    assert done["directory"] in said


def argosy(*arguments: str) -> str:
    # The engines' libraries are tested offline; a hub of our own is asked all the same.
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_OFFLINE")}
    done = subprocess.run(
        [sys.executable, "-m", "argosy", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
