from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from argosy.runtime.requests import decode_generation
from tests.suites.gateway import Server, gateway, listening
from tests.unit.api.conftest import calling

GENERATE = "/v2/models/parrot/generate"
STREAM = "/v2/models/parrot/generate_stream"


def events(reply: httpx.Response) -> list[dict[str, Any]]:
    """The data of every event."""
    assert reply.headers["content-type"].startswith("text/event-stream")
    blocks = reply.text.split("\n\n")
    assert blocks.pop() == ""
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


async def test_a_language_models_pieces_are_joined(client: httpx.AsyncClient) -> None:
    """Triton would demand a model that answers in one piece; people expect the whole answer."""
    reply = await client.post(GENERATE, json={"text_input": "a b c"})
    assert reply.status_code == 200
    assert reply.json() == {
        "model_name": "parrot",
        "model_version": "1",
        "text_output": "a b c",
        "finish_reason": "stop",
        "num_input_tokens": 3,
        "num_output_tokens": 3,
    }


async def test_a_stream_is_one_event_a_piece(client: httpx.AsyncClient) -> None:
    """The last says how the answer ended; no `[DONE]` follows."""
    found = events(await client.post(STREAM, json={"text_input": "a b c", "id": 7}))
    assert [event["text_output"] for event in found] == ["a", " b", " c"]
    assert {(event["model_name"], event["model_version"], event["id"]) for event in found} == {("parrot", "1", 7)}
    assert [event.get("finish_reason") for event in found] == [None, None, "stop"]
    assert found[-1]["num_output_tokens"] == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 2, "temperature": 0.5, "stop": ["x"]},
        {"parameters": {"max_tokens": 2, "temperature": 0.5, "stop": ["x"]}},
        {"sampling_parameters": '{"max_tokens": 2, "temperature": 0.5, "stop": ["x"]}'},
        {"sampling_parameters": {"max_tokens": 2, "temperature": 0.5, "stop": ["x"]}},
        {
            "sampling_parameters": '{"max_tokens": 9, "stop": "x"}',
            "parameters": {"temperature": 0.5, "max_tokens": 8},
            "max_tokens": 2,
        },
        {"max_tokens": 2, "parameters": {"temperature": 0.5, "stream": False}, "stop": "x", "stream": True},
    ],
    ids=["flat", "parameters", "text", "object", "the nearest wins", "mixed"],
)
async def test_sampling_fields_stand_where_clients_put_them(
    server: Server, client: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    """All spellings mean the same generation."""
    reply = await client.post(GENERATE, json={"text_input": "a b c d", **fields})
    assert reply.json()["text_output"] == "a b"
    assert "x-argosy-warning" not in reply.headers
    sampling = decode_generation(server.client.calls[0].inputs).sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.stop) == (2, 0.5, ("x",))


async def test_token_ids_are_a_prompt_too(client: httpx.AsyncClient) -> None:
    """As the tensor `input_ids`."""
    reply = await client.post(GENERATE, json={"input_ids": [5, 6]})
    assert reply.json()["text_output"] == "5 6"


async def test_what_the_vllm_backend_calls_its_own_is_granted(client: httpx.AsyncClient) -> None:
    """Where it asks for what is done anyway."""
    fields = {"stream": False, "exclude_input_in_output": True, "return_finish_reason": True}
    reply = await client.post(GENERATE, json={"text_input": "a", "parameters": fields})
    assert reply.status_code == 200
    assert "x-argosy-warning" not in reply.headers


async def test_unknown_fields_are_named_in_a_header(client: httpx.AsyncClient) -> None:
    """A field misspelt is not lost in silence."""
    reply = await client.post(GENERATE, json={"text_input": "a", "temprature": 1, "parameters": {"wish": 2}})
    assert reply.headers["x-argosy-warning"] == "ignored unknown fields: temprature, wish"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "text_input"),
        ({"text_input": "a", "input_ids": [1]}, "not both"),
        ({"text_input": 5}, "'text_input'"),
        ({"text_input": ["a", "b"]}, "'text_input'"),
        ({"text_input": ""}, "empty"),
        ({"input_ids": 5}, "'input_ids'"),
        ({"input_ids": [1.5]}, "'input_ids[0]'"),
        ({"input_ids": [-1]}, "input_ids"),
        ({"text_input": "a", "temperature": -1}, "'temperature'"),
        ({"text_input": "a", "max_tokens": "x"}, "'max_tokens'"),
        ({"text_input": "a", "sampling_parameters": "nonsense"}, "JSON"),
        ({"text_input": "a", "sampling_parameters": "[]"}, "'sampling_parameters'"),
        ({"text_input": "a", "sampling_parameters": 5}, "'sampling_parameters'"),
        ({"text_input": "a", "sampling_parameters": {"colour": 1}}, "'colour'"),
        ({"text_input": "a", "parameters": []}, "'parameters'"),
        ({"text_input": "a", "id": {}}, "'id'"),
        ({"text_input": "a", "id": 10**30}, "'id'"),
        ({"text_input": "a", "max_tokens": 10**30}, "context length"),
        ({"text_input": "a", "exclude_input_in_output": False}, "'exclude_input_in_output'"),
    ],
)
@pytest.mark.parametrize("path", [GENERATE, STREAM])
async def test_bad_fields_are_400_and_named(
    client: httpx.AsyncClient, path: str, fields: dict[str, Any], words: str
) -> None:
    """The stream has not begun by then."""
    reply = await client.post(path, json=fields)
    assert reply.status_code == 400, reply.text
    assert words in reply.json()["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b'{"a": 1, "a": 2}', b'{"text_input": "a", "temperature": NaN}'])
async def test_what_is_not_a_strict_object_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    """In the dialect's shape."""
    reply = await client.post(GENERATE, content=body)
    assert reply.status_code == 400
    assert set(reply.json()) == {"error"}


@pytest.mark.parametrize("path", [GENERATE, STREAM])
async def test_too_long_a_prompt_is_400_before_the_stream(client: httpx.AsyncClient, path: str) -> None:
    """With a status, not with an event."""
    reply = await client.post(path, json={"text_input": "word " * 2000})
    assert reply.status_code == 400
    assert "exceeds maximum allowed" in reply.json()["error"]


async def test_a_failure_in_mid_stream_is_an_event(tmp_path: Path) -> None:
    """In the dialect's shape, and the last one."""
    async with gateway(tmp_path, chat={"fail_after": "3"}, templates_loaded=False) as server, calling(server) as client:
        found = events(await client.post(STREAM, json={"text_input": "a b c d e"}))
    assert [set(event) == {"error"} for event in found] == [False, False, True]


@pytest.mark.parametrize("path", [GENERATE, STREAM])
async def test_a_client_that_leaves_frees_its_slot(tmp_path: Path, path: str) -> None:
    """Whether it waits for the whole answer or reads a stream."""
    async with (
        gateway(tmp_path, chat={"delay_ms": "200"}, templates_loaded=False) as server,
        listening(server) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        with pytest.raises(httpx.ReadTimeout):
            await client.post(path, json={"text_input": "word " * 500}, timeout=httpx.Timeout(10, read=0.1))
        async with asyncio.timeout(20):
            while server.client.running or not server.client.calls:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(("version", "status"), [("1", 200), ("2", 404), ("x", 400)])
async def test_versions_have_their_own_paths(client: httpx.AsyncClient, version: str, status: int) -> None:
    """For both routes."""
    for verb in ("generate", "generate_stream"):
        path = f"/v2/models/parrot/versions/{version}/{verb}"
        assert (await client.post(path, json={"text_input": "a"})).status_code == status


async def test_tokens_are_counted(server: Server, client: httpx.AsyncClient) -> None:
    """As for every other dialect."""
    await client.post(GENERATE, json={"text_input": "a b c"})
    text = server.metrics.render().decode()
    assert 'prompt_tokens_total{model="parrot"} 3.0' in text


async def test_tensor_models_take_values_by_name(server: Server, client: httpx.AsyncClient) -> None:
    """A single value is a tensor of one element; the answer unwraps it again."""
    fields = {"int32": 5, "fp32": [0.5, 2], "bool": True, "bytes": "ä", "matrix": [1, 2, 3, 4], "id": "mine"}
    reply = await client.post("/v2/models/anything/generate", json=fields)
    assert reply.json() == {"model_name": "anything", "model_version": "1", **fields}
    shapes = {name: tensor.shape for name, tensor in server.client.calls[0].inputs.items()}
    assert shapes == {"int32": (1,), "fp32": (2,), "bool": (1,), "bytes": (1,), "matrix": (2, 2)}


async def test_other_fields_are_parameters_of_a_tensor_model(server: Server, client: httpx.AsyncClient) -> None:
    """As in Triton's extension."""
    fields = {"int32": 5, "speed": 1.5, "parameters": {"kind": "fast", "priority": 2}}
    await client.post("/v2/models/anything/generate", json=fields)
    assert server.client.calls[0].parameters == {"speed": 1.5, "kind": "fast", "priority": 2}


async def test_a_model_with_a_batch_dimension_gets_one(client: httpx.AsyncClient) -> None:
    """One text is a batch of one, a list is a batch."""
    path = "/v2/models/echo/generate"
    assert (await client.post(path, json={"text": "a"})).json()["text"] == "a"
    assert (await client.post(path, json={"text": ["a", "b"]})).json()["text"] == ["a", "b"]


async def test_a_tensor_models_stream_is_one_event(client: httpx.AsyncClient) -> None:
    """It has one response."""
    reply = await client.post("/v2/models/anything/generate_stream", json={"int8": 3})
    assert [event["int8"] for event in events(reply)] == [3]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"int32": "x"}, "'int32[0]'"),
        ({"int32": [[1]]}, "'int32'"),
        ({"int32": {}}, "'int32'"),
        ({"int32": None}, "'int32[0]'"),
        ({"matrix": [1, 2, 3]}, "'matrix'"),
        ({"fp16": 1}, "no JSON form"),
        ({"unknown": [1]}, "'unknown'"),
        ({"triton_x": 1}, "reserved"),
    ],
)
async def test_bad_values_are_400_and_named(client: httpx.AsyncClient, fields: dict[str, Any], words: str) -> None:
    """Before the model has them."""
    reply = await client.post("/v2/models/anything/generate", json=fields)
    assert reply.status_code == 400, reply.text
    assert words in reply.json()["error"]
