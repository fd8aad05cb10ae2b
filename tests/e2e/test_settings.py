"""What an operator says of how models run, from the variable to the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.running import Running, serve

ENVIRONMENT = {
    "NIM_MODEL_NAME": "all-minilm-l6-v2",
    "NIM_SERVED_MODEL_NAME": "org/vectors",
    "NIM_MAX_MODEL_LEN": "16",
    "NIM_TRITON_MAX_BATCH_SIZE": "8",
    "NIM_MAX_WAIT_MS": "1",
    "NIM_TENSOR_PARALLEL_SIZE": "2",
    "NIM_ENABLE_TRACING": "true",
}

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One encoder, served as the variables say."""
    with serve(tmp_path_factory.mktemp("said"), environment=ENVIRONMENT) as running:
        running.wait_ready()
        yield running


def test_a_further_name_is_answered(said: Running) -> None:
    """Beside the model's own."""
    listed = {model["id"]: model["max_model_len"] for model in said.get("/v1/models").json()["data"]}
    assert listed == {"all-minilm-l6-v2": 16, "org/vectors": 16}
    for name in listed:
        assert said.post("/v1/embeddings", {"model": name, "input": "a ship"}).status_code == 200


def test_more_rows_than_a_batch_are_answered(said: Running) -> None:
    """The gateway sends no call larger than the batch that the server takes."""
    assert said.get("/v2/models/all-minilm-l6-v2/config").json()["max_batch_size"] == 8
    inputs = [f"ship {number}" for number in range(50)]
    reply = said.post("/v1/embeddings", {"model": "org/vectors", "input": inputs})
    assert [item["index"] for item in reply.json()["data"]] == list(range(50))


def test_an_input_over_the_length_is_refused(said: Running) -> None:
    """By the engine, to the token."""
    assert said.post("/v1/embeddings", {"model": "org/vectors", "input": "ship " * 14}).status_code == 200
    reply = said.post("/v1/embeddings", {"model": "org/vectors", "input": "ship " * 15})
    assert reply.status_code == 400
    assert "exceeds maximum allowed" in reply.json()["error"]["message"]


def test_triton_waits_as_long_as_it_was_told(said: Running) -> None:
    """Milliseconds became microseconds of its config."""
    batching = said.get("/v2/models/all-minilm-l6-v2/config").json()["dynamic_batching"]
    assert batching["max_queue_delay_microseconds"] in {1000, "1000"}


def test_what_has_no_effect_is_told_at_the_start(said: Running) -> None:
    """By name and with the engine."""
    text = " ".join(said.log.read_text().split())
    assert "tensor_parallel_size=2 (NIM_TENSOR_PARALLEL_SIZE) has no effect on openvino." in text
    assert "NIM_ENABLE_TRACING has no effect" in text
