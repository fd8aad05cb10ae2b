"""KServe over REST against the whole service: the bundled models by Triton's client, and abuse (V1, V2, V5, H1-H5)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient import http

from tests.e2e.running import Running
from tests.e2e.wire import post, send

INFER = "/v2/models/all-minilm-l6-v2/infer"
TEXT = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["a boat"]}
LENGTH = "inference-header-content-length"


@pytest.fixture
def client(bundled: Running) -> Iterator[http.InferenceServerClient]:
    with http.InferenceServerClient(f"127.0.0.1:{bundled.port}") as ready:
        yield ready


def test_vectors_are_those_of_the_other_dialect(bundled: Running, client: http.InferenceServerClient) -> None:
    """Binary tensors of a batch against `/v1/embeddings`."""
    texts = ["a boat", "Grüße, 世界", ""]
    given = http.InferInput("text", [3, 1], "BYTES")
    given.set_data_from_numpy(np.array([[text] for text in texts], dtype=np.object_))
    found = client.infer("all-minilm-l6-v2", [given]).as_numpy("embedding")
    alone = [client.infer("all-minilm-l6-v2", [_text(text)]).as_numpy("embedding")[0] for text in texts]
    np.testing.assert_allclose(found, alone, atol=2e-2)
    body = {"model": "all-minilm-l6-v2", "input": texts[:2]}
    vectors = [item["embedding"] for item in bundled.post("/v1/embeddings", body).json()["data"]]
    np.testing.assert_allclose(found[:2], vectors, atol=2e-2)


def _text(text: str) -> http.InferInput:
    given = http.InferInput("text", [1, 1], "BYTES")
    return given.set_data_from_numpy(np.array([[text]], dtype=np.object_))


def test_a_language_model_says_the_same_in_every_way(bundled: Running) -> None:
    """Whole, in pieces, and as a completion, without chance."""
    fields = {"max_tokens": 12, "temperature": 0}
    whole = bundled.post("/v2/models/abacus/generate", {"text_input": "1 + 1", "parameters": fields}).json()
    stream = bundled.post("/v2/models/abacus/generate_stream", {"text_input": "1 + 1", **fields})
    events = [
        json.loads(event.removeprefix("data: ")) for event in stream.text.split("\n\n") if event.startswith("data")
    ]
    completion = bundled.post("/v1/completions", {"model": "abacus", "prompt": "1 + 1", **fields}).json()
    assert whole["text_output"] == "".join(event["text_output"] for event in events)
    assert whole["text_output"] == completion["choices"][0]["text"]
    assert whole["num_output_tokens"] == events[-1]["num_output_tokens"] == completion["usage"]["completion_tokens"]


def test_models_are_listed_with_their_metadata(client: http.InferenceServerClient) -> None:
    """Each is ready, and has tensors."""
    index = client.get_model_repository_index()
    assert {entry["name"] for entry in index} >= {"abacus", "all-minilm-l6-v2", "minilm-sentiment"}
    for entry in index:
        assert client.is_model_ready(entry["name"])
        assert client.get_model_metadata(entry["name"])["outputs"]
        assert client.get_model_config(entry["name"])["name"] == entry["name"]


def binary(size: int, shape: list[int], tail: bytes) -> tuple[bytes, list[str]]:
    given = {"name": "text", "datatype": "BYTES", "shape": shape, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [given]}).encode()
    return head + tail, [f"{LENGTH}: {len(head)}"]


ABUSE = [
    (b"[" * 500_000, []),
    (b'{"inputs":' + b"[" * 250_000, []),
    (json.dumps({"inputs": [TEXT], "outputs": [{"name": str(number)} for number in range(100_000)]}).encode(), []),
    (json.dumps({"inputs": [{**TEXT, "shape": [16, 2**60 + 2]}]}).encode(), []),
    (json.dumps({"inputs": [{**TEXT, "shape": [-1, 1]}]}).encode(), []),
    (json.dumps({"inputs": [{**TEXT, "data": ["x" * (4 << 20)]}]}).encode(), []),
    (b'{"inputs": [{"name": "text", "datatype": "FP32", "shape": [1, 1], "data": [NaN]}]}', []),
    binary(4, [1, 1], b"\xff\xff\xff\xff"),
    binary(8, [2**31, 1], b"\x00" * 8),
    binary(2**40, [1, 1], b""),
    (b"{}", [f"{LENGTH}: 99999999999"]),
]


@pytest.mark.parametrize(("body", "headers"), ABUSE, ids=range(len(ABUSE)))
def test_abuse_is_400_and_triton_does_not_notice(bundled: Running, body: bytes, headers: list[str]) -> None:
    """V2, H1, H4, H5: the same processes, and the next request is answered."""
    before = {process.pid for process in bundled.family()}
    reply = send(bundled.port, post(INFER, body, *headers))
    assert reply.status == 400, reply.body[:300]
    assert set(json.loads(reply.body)) == {"error"}
    assert {process.pid for process in bundled.family()} == before
    assert bundled.post(INFER, {"inputs": [TEXT]}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/systemsharedmemory/region/r/register",
        "/v2/cudasharedmemory/region/r/register",
        "/v2/logging",
        "/v2/trace/setting",
        "/v2/models/abacus/trace/setting",
    ],
)
def test_what_would_open_triton_does_not_exist(bundled: Running, path: str) -> None:
    """V1, V5: 404 for the operator too."""
    body = {"key": "/triton_python_backend_shm_region_1", "offset": 0, "byte_size": 8}
    reply = bundled.post(path, body)
    assert reply.status_code == 404
    assert "shm_region" not in reply.text
