from __future__ import annotations

import base64

import httpx
import numpy as np
import pytest

from tests.suites.gateway import DIMENSIONS, Server, vector


async def embed(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/embeddings", json={"model": "embedder", **fields})


async def test_the_reply_is_openais(client: httpx.AsyncClient) -> None:
    """One object an input, in order, with usage and the model as asked for."""
    body = (await embed(client, input=["hello world", "bye"])).json()
    assert body["object"] == "list"
    assert body["model"] == "embedder"
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", 0), ("embedding", 1)]
    np.testing.assert_allclose(body["data"][0]["embedding"], vector("hello world"), rtol=1e-6)


async def test_base64_is_little_endian_fp32(client: httpx.AsyncClient) -> None:
    """The bytes are the numbers of the float form."""
    body = (await embed(client, input=["a b", "c"], encoding_format="base64")).json()
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in body["data"]]
    np.testing.assert_array_equal(decoded, [vector("a b"), vector("c")])


@pytest.mark.parametrize(
    ("given", "tensor"),
    [
        ("one two", [[b"one two"]]),
        (["one", "two"], [[b"one"], [b"two"]]),
        ([5, 6, 7], [[5, 6, 7]]),
        ([[5, 6, 7], [8]], [[5, 6, 7], [8, -1, -1]]),
    ],
)
async def test_all_four_forms_of_input_reach_the_engine(
    server: Server, client: httpx.AsyncClient, given: object, tensor: list[list[object]]
) -> None:
    """Texts go as BYTES [n, 1], token ids as INT32 padded with -1."""
    assert (await embed(client, input=given)).status_code == 200
    (call,) = server.client.calls
    (array,) = call.inputs.values()
    assert array.tolist() == tensor


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("", "input"),
        ([], "input"),
        (None, "input"),
        (7, "input"),
        ({"text": "a"}, "input"),
        (["a", ""], "input[1]"),
        (["a", 1], "input[1]"),
        ([1, "a"], "input"),
        ([1, True], "input"),
        ([1, 1.5], "input"),
        ([-1], "input"),
        ([2**31], "input"),
        ([[1], []], "input[1]"),
        ([[1], "a"], "input[1]"),
        ([True], "input"),
        ([{}], "input"),
    ],
)
async def test_any_other_input_is_400_and_named(
    server: Server, client: httpx.AsyncClient, given: object, param: str
) -> None:
    """No engine call is made."""
    reply = await embed(client, input=given)
    assert reply.status_code == 400
    assert reply.json()["param"] == param
    assert server.client.calls == []


async def test_too_many_inputs_are_413(client: httpx.AsyncClient) -> None:
    """The message says how many are allowed."""
    reply = await embed(client, input=["a"] * 2049)
    assert reply.status_code == 413
    assert "2048" in reply.json()["message"]


async def test_an_overlong_input_is_400_in_nims_words(client: httpx.AsyncClient) -> None:
    """NIM's own client looks for `exceeds maximum allowed`; the field is the client's, not the tensor."""
    reply = await embed(client, input="word " * 40)
    assert reply.status_code == 400
    assert "exceeds maximum allowed" in reply.json()["message"]
    assert reply.json()["error"]["code"] == "context_length_exceeded"
    assert reply.json()["param"] == "input"


async def test_an_overlong_token_list_never_travels(server: Server, client: httpx.AsyncClient) -> None:
    """It is refused in the same words without an engine call, unless it may be cut."""
    reply = await embed(client, input=[[1], [1] * 33])
    assert (reply.status_code, reply.json()["param"]) == (400, "input")
    assert "Input length 33 exceeds maximum allowed" in reply.json()["message"]
    assert server.client.calls == []
    assert (await embed(client, input=[1] * 33, truncate="END")).status_code == 200


@pytest.mark.parametrize(
    ("model", "fields", "parameters"),
    [
        ("embedder", {}, {}),
        ("embedder", {"input_type": "query"}, {"input_type": "query"}),
        ("embedder-query", {}, {"input_type": "query"}),
        ("embedder-passage", {"truncate": "END"}, {"input_type": "passage", "truncate": "END"}),
        ("embedder-query", {"input_type": "passage"}, {"input_type": "passage"}),
    ],
)
async def test_input_type_comes_from_the_field_or_the_name(
    server: Server, client: httpx.AsyncClient, model: str, fields: dict[str, str], parameters: dict[str, str]
) -> None:
    """The field wins over the suffix, and the reply repeats the name that was asked for."""
    reply = await embed(client, input="a", **{"model": model, **fields})
    assert reply.json()["model"] == model
    assert server.client.calls[0].parameters == parameters


async def test_dimensions_shorten_and_normalise(client: httpx.AsyncClient) -> None:
    """The first numbers of the vector, of length one again."""
    body = (await embed(client, input="hello", dimensions=3)).json()
    expected = vector("hello")[:3] / np.linalg.norm(vector("hello")[:3])
    np.testing.assert_allclose(body["data"][0]["embedding"], expected, rtol=1e-5)


@pytest.mark.parametrize("dimensions", [0, -1, DIMENSIONS + 1, "3", 2.5])
async def test_other_dimensions_are_400(server: Server, client: httpx.AsyncClient, dimensions: object) -> None:
    """More than the model has, or none."""
    reply = await embed(client, input="hello", dimensions=dimensions)
    assert (reply.status_code, reply.json()["param"]) == (400, "dimensions")
    assert server.client.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoding_format", "hex"),
        ("input_type", "document"),
        ("truncate", "MIDDLE"),
        ("modality", "image"),
        ("modality", ["text", "image"]),
        ("embedding_type", "int8"),
        ("model", None),
    ],
)
async def test_a_field_out_of_range_is_400_and_named(client: httpx.AsyncClient, field: str, value: object) -> None:
    """Each enumeration is closed."""
    reply = await client.post("/v1/embeddings", json={"model": "embedder", "input": "a", field: value})
    assert (reply.status_code, reply.json()["param"]) == (400, field)


@pytest.mark.parametrize(
    "fields", [{"user": "me"}, {"modality": "text"}, {"modality": ["text"]}, {"embedding_type": "float"}]
)
async def test_fields_that_ask_for_nothing_are_taken(client: httpx.AsyncClient, fields: dict[str, object]) -> None:
    """And not warned of."""
    reply = await embed(client, input="a", **fields)
    assert reply.status_code == 200
    assert "x-argosy-warning" not in reply.headers


async def test_an_unknown_model_is_404(client: httpx.AsyncClient) -> None:
    """The message lists what there is."""
    reply = await embed(client, input="a", model="nothing")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_not_found"
    assert "embedder" in reply.json()["message"]


async def test_a_model_of_another_task_is_400(client: httpx.AsyncClient) -> None:
    """The message names the route that serves it."""
    reply = await embed(client, input="a", model="sentiment")
    assert reply.status_code == 400
    assert "/v1/classify" in reply.json()["message"]
