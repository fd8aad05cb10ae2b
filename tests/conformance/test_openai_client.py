"""The official `openai` client, synchronous and asynchronous, against a listening gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import openai
import pytest

from argosy.server.access.keys import StaticKeys
from tests.suites.gateway import gateway, in_thread, listening, vector

KEY = "0123456789abcdef0123456789abcdef"
HELLO = [{"role": "user", "content": "hello there"}]
ANSWER = "user: hello there\nassistant:"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway for the whole module."""
    with in_thread(tmp_path_factory.mktemp("store")) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as ready:
        yield ready


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as ready:
        yield ready


def test_chat(client: openai.OpenAI) -> None:
    """Message, reason and usage are where the client looks for them."""
    completion = client.chat.completions.create(model="parrot", messages=HELLO)
    assert completion.choices[0].message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == 8
    assert completion._request_id


def test_chat_streamed(client: openai.OpenAI) -> None:
    """The deltas join to the answer."""
    stream = client.chat.completions.create(
        model="parrot", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ANSWER
    assert chunks[-1].usage.completion_tokens == 4


def test_chat_by_the_stream_helper(client: openai.OpenAI) -> None:
    """The client's own accumulator rebuilds the completion."""
    with client.chat.completions.stream(model="parrot", messages=HELLO, n=2) as stream:
        completion = stream.until_done().get_final_completion()
    assert [choice.message.content for choice in completion.choices] == [ANSWER, ANSWER]


def test_completions(client: openai.OpenAI) -> None:
    """One choice a prompt."""
    completion = client.completions.create(model="parrot", prompt=["a b", "c"])
    assert [choice.text for choice in completion.choices] == ["a b", "c"]


def test_completions_streamed(client: openai.OpenAI) -> None:
    """The texts join to the answer."""
    stream = client.completions.create(model="parrot", prompt="a b c", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "a b c"


@pytest.mark.parametrize("fields", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_embeddings(client: openai.OpenAI, fields: dict[str, str]) -> None:
    """Without an encoding the client asks for base64 and decodes it itself."""
    found = client.embeddings.create(model="embedder", input=["hello world", "bye"], **fields)
    if fields.get("encoding_format") != "base64":
        vectors = [item.embedding for item in found.data]
        np.testing.assert_allclose(vectors, [vector("hello world"), vector("bye")], rtol=1e-6)
    assert found.usage.prompt_tokens == 3


def test_models(client: openai.OpenAI) -> None:
    """Listed and retrieved."""
    assert [model.id for model in client.models.list()][:2] == ["parrot", "embedder"]
    assert client.models.retrieve("embedder").owned_by == "system"


async def test_chat_asynchronously(async_client: openai.AsyncOpenAI) -> None:
    """Streamed and not."""
    completion = await async_client.chat.completions.create(model="parrot", messages=HELLO)
    stream = await async_client.chat.completions.create(model="parrot", messages=HELLO, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert completion.choices[0].message.content == text == ANSWER


async def test_a_stream_that_is_closed_early_leaves_the_server_well(async_client: openai.AsyncOpenAI) -> None:
    """The next request works."""
    stream = await async_client.completions.create(model="parrot", prompt="a b c d", stream=True)
    async for _ in stream:
        break
    await stream.close()
    assert [model.id async for model in async_client.models.list()]


@pytest.mark.parametrize(
    ("fields", "kind", "code", "param"),
    [
        ({"model": "nothing"}, openai.NotFoundError, "model_not_found", "model"),
        ({"temperature": 9}, openai.BadRequestError, "invalid_value", "temperature"),
        ({"messages": []}, openai.BadRequestError, "invalid_value", "messages"),
        ({"logit_bias": {"1": 5}}, openai.BadRequestError, "unsupported_parameter", "logit_bias"),
        (
            {"messages": [{"role": "user", "content": "word " * 2000}]},
            openai.BadRequestError,
            "context_length_exceeded",
            "messages",
        ),
    ],
)
def test_errors_are_the_clients_own_classes(
    client: openai.OpenAI, fields: dict[str, object], kind: type[openai.APIStatusError], code: str, param: str
) -> None:
    """With code, param and message filled in."""
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**{"model": "parrot", "messages": HELLO, **fields})
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.body["message"]
    assert caught.value.request_id


async def test_a_wrong_key_is_an_authentication_error(tmp_path: Path) -> None:
    """And the right one is not."""
    keys = StaticKeys({"team": KEY})
    async with gateway(tmp_path, authenticator=keys, templates_loaded=False) as server, listening(server) as url:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0) as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stranger.models.list()
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as friend:
            assert (await friend.models.list()).data


async def test_a_failure_in_mid_stream_reaches_the_caller(tmp_path: Path) -> None:
    """The client raises the error instead of ending as if the answer were whole."""
    async with (
        gateway(tmp_path, chat={"fail_after": "3"}, templates_loaded=False) as server,
        listening(server) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        stream = await client.completions.create(model="parrot", prompt="a b c d e", stream=True)
        with pytest.raises(openai.APIError, match="told to fail"):
            async for _ in stream:
                pass


async def test_a_draining_server_is_an_error_the_client_retries(tmp_path: Path) -> None:
    """503 is InternalServerError to the client, which asks again by itself."""
    async with gateway(tmp_path, templates_loaded=False) as server, listening(server) as url:
        server.drain.begin()
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            with pytest.raises(openai.InternalServerError) as caught:
                await client.models.list()
    assert caught.value.code == "server_is_draining"
